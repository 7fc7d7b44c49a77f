//! Headless Chromium, as it is found on this machine.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, mpsc};
use std::time::Duration;

use super::Found;
use super::picture::Picture;

/// Its names.
const NAMES: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome-headless-shell",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
/// No sandbox: it opens nothing but what a test wrote, and a root without user namespaces has none. No proxy answers at that port.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--proxy-server=127.0.0.1:9",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
    "--window-size=1000,4200",
    "--dump-dom",
];
const PICTURE: &str = "page.png";
/// Looks at the page from beside it.
const WATCHER: &str = include_str!("watcher.html");
/// A browser that has not answered until then never will.
const PATIENCE: Duration = Duration::from_secs(120);
static OPENED: AtomicU32 = AtomicU32::new(0);
static SAID: Once = Once::new();

/// A browser.
pub(super) struct Chromium(&'static str);

/// What the reader of a page prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Light,
    Dark,
}

/// A page that was opened.
pub(super) struct Opened {
    dom: String,
    log: String,
    folder: PathBuf,
}

impl Chromium {
    /// The browser; none: there is none here, which is said even where the output of tests is kept back.
    pub(super) fn find() -> Option<Self> {
        let runs = |name: &&str| {
            Command::new(name)
                .arg("--version")
                .output()
                .is_ok_and(|output| output.status.success())
        };
        let found = NAMES.into_iter().find(runs);
        if found.is_none() {
            SAID.call_once(|| {
                let names = NAMES.join(", ");
                let said = "SKIPPED: the page of a backtest was not opened, because no Chromium can be run here";
                let _ = writeln!(std::io::stderr(), "{said} (none of {names})");
            });
        }
        found.map(Self)
    }

    /// Opens a page as wide as that, with a watcher beside it. The network cannot be reached.
    pub(super) fn open(&self, page: &str, width: u32, scheme: Scheme) -> Opened {
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ghostnet-page-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
        let file = folder.join("page.html");
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        let watched = WATCHER.replace("WIDTH", &width.to_string()).replace("PAGE", &page);
        std::fs::write(&file, watched).unwrap_or_else(|error| panic!("{error}"));
        let (profile, picture) = (folder.join("profile"), folder.join(PICTURE));
        let scheme = match scheme {
            Scheme::Dark => 0,
            Scheme::Light => 1,
        };
        let mut command = Command::new(self.0);
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--screenshot={}", picture.display()))
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("file://{}", file.display()));
        let (dom, log) = output(&mut command);
        Opened { dom, log, folder }
    }
}

impl Opened {
    /// What was said on the console.
    pub(super) fn complaints(&self) -> Vec<&str> {
        self.log.lines().filter(|line| line.contains("CONSOLE")).collect()
    }

    /// What the watcher found.
    pub(super) fn found(&self) -> Found {
        let after = self.dom.split_once("<pre id=\"found\">").map(|(_, after)| after);
        let text = after
            .and_then(|after| after.split_once("</pre>"))
            .map(|(text, _)| text)
            .unwrap_or_default();
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&nbsp;", "\u{a0}")
            .replace("&amp;", "&");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: `{text}`\n{}", self.log))
    }

    /// How it looks.
    pub(super) fn picture(&self) -> Picture {
        Picture::read(&self.folder.join(PICTURE))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Both streams of a command that is not waited for forever.
fn output(command: &mut Command) -> (String, String) {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{error}"));
    let streams = child.stdout.take().zip(child.stderr.take());
    let (mut stdout, mut stderr) = streams.unwrap_or_else(|| panic!("both were asked for"));
    let (sender, receiver) = mpsc::channel();
    let mut readers = Vec::new();
    readers.push(std::thread::spawn(move || {
        let mut dom = Vec::new();
        let _ = stdout.read_to_end(&mut dom);
        let _ = sender.send(());
        dom
    }));
    readers.push(std::thread::spawn(move || {
        let mut log = Vec::new();
        let _ = stderr.read_to_end(&mut log);
        log
    }));
    let answered = receiver.recv_timeout(PATIENCE).is_ok();
    if !answered {
        let _ = child.kill();
    }
    let _ = child.wait();
    assert!(answered, "the browser did not answer");
    let mut texts = readers.into_iter().map(|reader| reader.join().unwrap_or_default());
    let mut text = || String::from_utf8_lossy(&texts.next().unwrap_or_default()).into_owned();
    (text(), text())
}

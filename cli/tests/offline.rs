//! Verbs that need no AWS: what they print, where, and their exit codes.

mod run;

use std::process::Output;

use run::{command, must, shown};

fn ghostnet(args: &[&str]) -> Output {
    must(command(args).output())
}

fn seen(args: &[&str]) -> String {
    shown(&ghostnet(args))
}

#[test]
fn every_problem_of_a_wrong_spec_is_told_at_once() {
    for name in ["structure", "syntax", "yaml", "meaning", "picture"] {
        insta::assert_snapshot!(format!("validate_{name}"), seen(&["validate", &format!("tests/specs/{name}.yaml")]));
    }
}

#[test]
fn several_files_are_judged_one_by_one() {
    insta::assert_snapshot!(
        "validate_several",
        seen(&[
            "validate",
            "../infra/fleets/web.yaml",
            "tests/specs/syntax.yaml",
            "tests/specs/picture.yaml"
        ])
    );
    insta::assert_snapshot!(
        "validate_json",
        seen(&["validate", "--json", "../infra/fleets/web.yaml", "tests/specs/syntax.yaml"])
    );
}

#[test]
fn defaults_are_shown_beside_the_file() {
    insta::assert_snapshot!("show_defaults", seen(&["validate", "--show-defaults"]));
    insta::assert_snapshot!(
        "show_defaults_of_a_file",
        seen(&["validate", "--show-defaults", "../infra/fleets/small.yaml"])
    );
}

#[test]
fn the_published_schema_is_the_one_that_is_used() {
    let schema = ghostnet(&["schema"]).stdout;
    let file = must(std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/fleet.schema.json")));
    assert!(schema == file, "run: cargo run -p ghostnet -- schema > infra/fleet.schema.json");
}

#[test]
fn example_fleets_have_no_problems() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/fleets");
    for entry in must(std::fs::read_dir(folder)) {
        let path = must(entry).path();
        let output = ghostnet(&["validate", &path.display().to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn wrong_usage_is_exit_code_two_and_a_missing_file_one() {
    for (args, code) in [
        (&["validate"][..], 2),
        (&["frobnicate"], 2),
        (&["validate", "--frobnicate", "x.yaml"], 2),
        (&["validate", "no-such-file.yaml"], 1),
        (&["init", "--fleet", "Web"], 2),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let output = ghostnet(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{args:?}: data only when it went well");
    }
    insta::assert_snapshot!("missing_file", seen(&["validate", "no-such-file.yaml"]));
}

#[test]
fn init_never_writes_over_a_file() {
    let folder = std::env::temp_dir().join(format!("ghostnet-init-{}", std::process::id()));
    must(std::fs::create_dir_all(&folder));
    let file = folder.join("web.yaml").display().to_string();
    assert!(ghostnet(&["init", &file]).status.success());
    assert!(ghostnet(&["validate", &file]).status.success());
    let again = ghostnet(&["init", &file]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("hint: "));
    must(std::fs::remove_dir_all(&folder));
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            String::from_utf8_lossy(&ghostnet(&["completions", shell]).stdout).contains("ghostnet"),
            "{shell}"
        );
    }
}

#[test]
fn an_account_that_does_not_answer_is_told_in_one_message() {
    let output = ghostnet(&["status", "web"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.starts_with("error: the outputs of stack `ghostnet` cannot be read\n  because: cloudformation:DescribeStacks"),
        "{told}"
    );
    assert!(told.lines().last().is_some_and(|line| line.starts_with("hint: ")), "{told}");
}

#[test]
fn every_verb_has_help_with_examples() {
    for verb in [
        "init",
        "validate",
        "schema",
        "apply",
        "delete",
        "import",
        "adopt",
        "release",
        "status",
        "plan",
        "explain",
        "replay",
        "report",
        "pause",
        "resume",
        "scale",
        "refresh",
        "failover",
        "failback",
        "undo",
        "completions",
    ] {
        let help = String::from_utf8_lossy(&ghostnet(&[verb, "--help"]).stdout).into_owned();
        assert!(
            help.contains("Examples:") && help.contains(&format!("ghostnet {verb}")),
            "{verb}: {help}"
        );
    }
    insta::assert_snapshot!("help", seen(&["--help"]));
}

#[test]
fn a_load_is_played_beside_other_autoscalers() {
    let trace = format!("{}/trace.csv", env!("CARGO_TARGET_TMPDIR"));
    // two days of a wave, with a crowd on the second evening
    let rate = |minute: u32| {
        let wave = 100.0 + 80.0 * (f64::from(minute) / 1_440.0 * std::f64::consts::TAU).sin();
        wave * if (2_520..2_550).contains(&minute) { 2.5 } else { 1.0 }
    };
    let row = |minute: u32| {
        format!(
            "2026-06-{:02}T{:02}:{:02}:00Z,{:.3}\n",
            1 + minute / 1_440,
            minute / 60 % 24,
            minute % 60,
            rate(minute)
        )
    };
    let rows: String = (0..2_880).map(row).collect();
    must(std::fs::write(&trace, format!("timestamp,requests_per_second\n{rows}")));
    let page = format!("{}/page.html", env!("CARGO_TARGET_TMPDIR"));
    let steps = format!("{}/steps.csv", env!("CARGO_TARGET_TMPDIR"));
    let args = [
        "simulate",
        "--trace",
        &trace,
        "--compare",
        "k8s-hpa,ghostnet-tuned",
        "--instance-capacity",
        "10",
        "--html",
        &page,
        "--csv",
        &steps,
        "--json",
    ];
    let output = ghostnet(&args);
    assert!(output.status.success(), "{}", shown(&output));
    let told: serde_json::Value = must(serde_json::from_slice(&output.stdout));
    assert_eq!(
        (&told["steps"], &told["step_seconds"], &told["trace"]),
        (&2_879.into(), &30.into(), &"trace.csv".into())
    );
    let rows = must(told["rows"].as_array().ok_or("no rows"));
    let names: Vec<&str> = rows.iter().filter_map(|row| row["policy"].as_str()).collect();
    assert_eq!(names, ["optimum", "ghostnet", "k8s-hpa", "ghostnet-tuned"]);
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap_or(-1.0);
        assert!(number("cost_ratio") >= 0.9 && number("instance_hours") > 0.0, "{row}");
        for name in [
            "under_percent",
            "over90_percent",
            "lost_percent",
            "theta_u",
            "theta_o",
            "tau_u",
            "tau_o",
            "instability",
            "scale_outs_per_day",
            "scale_ins_per_day",
            "flaps_per_day",
            "p99_utilisation",
        ] {
            assert!(number(name) >= 0.0, "{name} in {row}");
        }
        assert!(row["settings"].is_object(), "{row}");
    }
    assert!(must(std::fs::read_to_string(&page)).starts_with("<!DOCTYPE html>"));
    assert_eq!(must(std::fs::read_to_string(&steps)).lines().count(), 2_880);
}

#[test]
fn a_load_that_cannot_be_played_says_why() {
    let trace = format!("{}/gap.csv", env!("CARGO_TARGET_TMPDIR"));
    must(std::fs::write(
        &trace,
        "timestamp,requests_per_second\n2026-06-01T00:00:00Z,1\n2026-06-01T00:01:00Z,1\n2026-06-01T00:03:00Z,1\n",
    ));
    for (args, says) in [
        (&["--trace", &trace][..], "line 4: a gap of 120 s"),
        (&["--trace", "nowhere.csv"], "`nowhere.csv` cannot be read"),
        (&["--trace", &trace, "--compare", "hpa"], "`hpa` is no policy"),
    ] {
        let output = ghostnet(&[&["simulate"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(shown(&output).contains(says), "{args:?}: {}", shown(&output));
    }
    for args in [
        &["--trace", &trace, "--iso-slo", "60%"][..],
        &["--compare", "k8s-hpa", "--scenario", "zone-loss"],
        &["--trace", &trace, "--boot", "3"],
    ] {
        assert_eq!(ghostnet(&[&["simulate"], args].concat()).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn settings_are_found_for_a_load() {
    let trace = format!("{}/tuned.csv", env!("CARGO_TARGET_TMPDIR"));
    // two days of a wave, five minutes by five minutes
    let rate = |bucket: u32| 100.0 + 80.0 * (f64::from(bucket) / 288.0 * std::f64::consts::TAU).sin();
    let row = |bucket: u32| {
        let (day, hour, minute) = (1 + bucket / 288, bucket / 12 % 24, bucket % 12 * 5);
        format!("2026-06-{day:02}T{hour:02}:{minute:02}:00Z,{:.3}\n", rate(bucket))
    };
    let rows: String = (0..577).map(row).collect();
    must(std::fs::write(&trace, format!("timestamp,requests_per_second\n{rows}")));
    let output = ghostnet(&["tune", "--trace", &trace, "--instance-capacity", "10", "--json"]);
    assert!(output.status.success(), "{}", shown(&output));
    let told: serde_json::Value = must(serde_json::from_slice(&output.stdout));
    let number = |which: &str, name: &str| told[which][name].as_f64().unwrap_or(-1.0);
    assert_eq!(told["days"], 2);
    assert!(number("chosen", "over_percent") <= 1.0, "{told}");
    assert!(
        number("chosen", "instance_hours_per_day") <= number("present", "instance_hours_per_day"),
        "{told}"
    );
    assert!(told["front"].as_array().is_some_and(|front| !front.is_empty()), "{told}");
    let none = ghostnet(&["tune", "--trace", &trace, "--fleet", "../infra/fleets/web.yaml"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(shown(&none).contains("nothing to tune"), "{}", shown(&none));
}

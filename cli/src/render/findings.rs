//! What does not fit between a spec and its account: each finding with its field, its line, its reason and what to do about it.

use std::fmt::Write;

use ghostnet_engine::live::Severity;

use crate::live::Checked;

/// One file's findings.
pub(crate) fn text(file: &str, checked: &Checked) -> String {
    let mut text = headline(file, checked);
    for located in &checked.findings {
        let finding = &located.finding;
        let path = if finding.path.is_empty() { "the whole file" } else { &finding.path };
        // writing to a String cannot fail
        let _ = write!(
            text,
            "\n\n  {}: {path}  line {}\n    {}",
            finding.severity, located.at.line, finding.what
        );
        if !finding.why.is_empty() {
            let _ = write!(text, "\n    because: {}", finding.why);
        }
        if let Some(hint) = &finding.hint {
            let _ = write!(text, "\n    hint: {hint}");
        }
    }
    if !checked.findings.is_empty() {
        text.push('\n');
    }
    text
}

fn headline(file: &str, checked: &Checked) -> String {
    let counted = [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Note, "note", "notes"),
    ];
    let counted = counted
        .into_iter()
        .filter_map(|(severity, one, more)| match checked.count(severity) {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {more}")),
        });
    let counted: Vec<String> = counted.collect();
    let tried = match checked.launches_tried {
        1 => "1 launch was tried dry".to_owned(),
        count => format!("{count} launches were tried dry"),
    };
    if counted.is_empty() {
        format!("{file} fits this account: {tried}, nothing was found")
    } else {
        format!("{file} in this account: {} ({tried})", counted.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use ghostnet_engine::live::Finding;

    use super::*;
    use crate::live::Located;
    use crate::spec_file::Place;

    fn finding(severity: Severity, line: usize, path: &str, [what, why, hint]: [&str; 3]) -> Located {
        Located {
            at: Place { line, column: 1 },
            finding: Finding {
                severity,
                path: path.to_owned(),
                what: what.to_owned(),
                why: why.to_owned(),
                hint: (!hint.is_empty()).then(|| hint.to_owned()),
            },
        }
    }

    #[test]
    fn nothing_found_says_what_was_tried() {
        let (findings, launches_tried) = (Vec::new(), 6);
        let checked = Checked { findings, launches_tried };
        insta::assert_snapshot!(text("web.yaml", &checked), @"web.yaml fits this account: 6 launches were tried dry, nothing was found");
    }

    #[test]
    fn findings_are_shown_one_after_the_other() {
        let findings = vec![
            finding(
                Severity::Error,
                12,
                "defaults.launch",
                [
                    "the tick function may not launch from launch template `web`",
                    "`iam:PassRole` on `arn:aws:iam::123456789012:role/web` is not granted",
                    "add the role of the launch template's instance profile to the stack's parameter `InstanceRoleArns`, and deploy",
                ],
            ),
            finding(
                Severity::Warning,
                24,
                "pools[0].target_groups[0]",
                [
                    "target group `web-blue` lets a target finish for 5m",
                    "AWS takes spot capacity 2m after its notice: what is under way then is cut off",
                    "`balancing: { deregistration_delay: 90s }` in the pool sets and keeps it",
                ],
            ),
            finding(
                Severity::Note,
                1,
                "",
                [
                    "20 of 42 combinations of subnet, type and market were tried",
                    "each counts like a launch in EC2's rate limit, which all fleets of the account share",
                    "",
                ],
            ),
        ];
        let checked = Checked {
            findings,
            launches_tried: 20,
        };
        insta::assert_snapshot!("findings", text("web.yaml", &checked));
        insta::assert_json_snapshot!("findings_json", checked);
    }
}

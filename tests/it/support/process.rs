//! Threads as the system reports them, and tests in a process of their own.

use std::process::Command;

use super::watchdog;

/// A thread of this process, as the system names it.
#[cfg(target_os = "linux")]
pub struct Task(pub std::path::PathBuf);

#[cfg(target_os = "linux")]
impl Task {
    /// `true` if the thread sleeps in the system; `false` for a thread that has ended.
    pub fn sleeps(&self) -> bool {
        let stat = std::fs::read_to_string(self.0.join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }

    pub fn voluntary_switches(&self) -> u64 {
        let status = std::fs::read_to_string(self.0.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse().unwrap()
    }

    /// The threads of the crate, by the part of the name that the system keeps.
    pub fn of_the_crate() -> Vec<Self> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        tasks
            .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("relay-")))
            .map(Self)
            .collect()
    }
}

/// Variable of a child process that names its test.
pub const CHILD: &str = "SIGNALWIRE_RELAY_TEST_CHILD";

/// Runs the body of a test in a process of its own: this program once more, with this test alone. None in the child.
pub fn child(
    test: &str,
    variables: &[(&str, &str)],
    body: impl FnOnce() + Send + 'static,
) -> Option<(std::process::ExitStatus, String)> {
    if std::env::var(CHILD).is_ok_and(|name| name == test) {
        watchdog(test, body);
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, test);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    Some((output.status, text))
}

/// Runs a body that returns in a child process.
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce() + Send + 'static) {
    if let Some((status, output)) = child(test, variables, body) {
        assert!(status.success() && output.contains("1 passed"), "{test}: {status}\n{output}");
    }
}

const RESULT: &str = "RESULT ";

/// The role of a process that [`reports_of_child`] started.
pub fn child_role() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// Reports a text from a child to its parent.
pub fn report(what: impl std::fmt::Display) {
    println!("\n{RESULT}{}", what.to_string().replace('\n', " "));
}

/// Runs one test of this binary again in a process of its own, with this environment and nothing else, and gives
/// what it reported.
pub fn reports_of_child(test: &str, role: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env_clear();
    // Where temporary files go is the machine's affair, the loader's path is cargo's, and the last one chooses a defect
    // for `defects/run`.
    for kept in ["TMPDIR", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SystemRoot", "PLANTED"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    let output = command.env(CHILD, role).envs(environment.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let reports: Vec<String> = said.lines().filter_map(|line| line.strip_prefix(RESULT)).map(str::to_owned).collect();
    assert!(!reports.is_empty(), "{test} reported nothing; is that its name? {said}");
    reports
}

/// A logger that reports warnings and errors to the parent of this process.
pub struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() <= log::Level::Warn {
            report(record.args());
        }
    }

    fn flush(&self) {}
}

//! Running the command that gives the key-encryption key.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{io, thread};

use zeroize::Zeroizing;

use crate::error::KekError;
use crate::kek::read_some;

/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Runs a program and gives what it wrote to its standard output. A key fits into the pipe many times over, so it is read when
/// the program has ended; one that writes more than the pipe holds does not end.
pub(crate) fn output(program: &str, arguments: &[String], deadline: Duration) -> Result<Zeroizing<Vec<u8>>, KekError> {
    let failed = |source| KekError::Command { program: program.to_owned(), source };
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let status = wait(&mut child, deadline).map_err(failed)?;
    let status = status.ok_or_else(|| KekError::CommandTimedOut { program: program.to_owned() })?;
    if !status.success() {
        return Err(KekError::CommandFailed { program: program.to_owned(), status });
    }
    let stdout = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    read_some(stdout).map_err(failed)
}

/// Waits for the child to end; kills it at the deadline and gives None.
fn wait(child: &mut Child, deadline: Duration) -> io::Result<Option<ExitStatus>> {
    // Counted in naps instead of read off a clock: it need not be exact.
    for _ in 0..deadline.as_millis() / POLL.as_millis() {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, deadline: Duration) -> Result<Zeroizing<Vec<u8>>, KekError> {
        output("/bin/sh", &["-c".to_owned(), script.to_owned()], deadline)
    }

    #[test]
    fn a_command_that_does_not_end_is_killed() {
        for script in ["exec tail -f /dev/null", "exec yes"] {
            let error = run(script, POLL * 5).unwrap_err();
            assert!(matches!(error, KekError::CommandTimedOut { .. }), "{script}: {error}");
        }
    }

    #[test]
    fn what_is_read_of_a_talkative_command_is_bounded() {
        let text = run("head -c 5000 /dev/zero", Duration::from_secs(60)).unwrap();
        assert_eq!(text.len(), crate::kek::MAX_INPUT_BYTES);
    }
}

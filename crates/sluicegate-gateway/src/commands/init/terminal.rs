//! Questions to the person at the terminal.

use std::{
    error::Error,
    io::{self, Write},
};

/// The terminal: questions go to standard error, so that the output can go to a file.
pub(super) struct Terminal;

impl Terminal {
    /// Asks until the answer is a good one.
    ///
    /// # Errors
    ///
    /// When the terminal is closed, as by Ctrl-D.
    pub(super) fn ask<T>(
        &mut self,
        question: &str,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<T, Box<dyn Error>> {
        let mut prompt = question;
        loop {
            write!(io::stderr(), "{prompt}")?;
            io::stderr().flush()?;
            let mut line = String::new();
            if io::stdin().read_line(&mut line)? == 0 {
                return Err("\nno answer; nothing is written".into());
            }
            match read(line.trim()) {
                Ok(answer) => return Ok(answer),
                Err(error) => writeln!(io::stderr(), "{error}")?,
            }
            // The list of choices before it is shown once.
            prompt = question.rsplit('\n').next().unwrap_or(question);
        }
    }
}

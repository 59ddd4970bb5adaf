//! The behaviour of the server: pace, amounts, usage and failures.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderMap;
use clap::{Args, ValueEnum};
use serde::Serialize;

/// The behaviour of the server, by flags, by its control endpoint, or for one request by header fields.
#[derive(Args, Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Milliseconds until the head of a response.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency_ms: u64,

    /// Milliseconds before each chunk of tokens but the first.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub pause_ms: u64,

    /// Tokens after which the model stops by itself, 1 to 1000000.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub output_tokens: u64,

    /// Tokens of a chunk, 1 or more.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub chunk_tokens: u64,

    /// Tokens of every prompt, up to 1000000000. Without it, a token is four characters.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    pub input_tokens: Option<u64>,

    /// Tokens of every prompt that come from a cache, at most the whole prompt.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub cached_tokens: u64,

    /// The largest piece of a stream that is written at once, in bytes; 0 for no limit.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub split_bytes: usize,

    /// Events of a stream that are written at once, 1 or more.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub join_events: usize,

    /// Begins a stream of server-sent events with a comment, before the latency.
    #[arg(long)]
    pub comment: bool,

    /// The usage that responses report.
    #[arg(long, value_enum, default_value_t = Usage::Asked)]
    pub usage: Usage,

    /// The status of every response, instead of 200: the request is refused.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=599))]
    pub status: Option<u16>,

    /// `Retry-After` of refusals.
    #[arg(long, value_name = "VALUE")]
    pub retry_after: Option<String>,

    /// The failure of every response, after `--fail-after` chunks.
    #[arg(long, value_enum, default_value_t = Failure::None)]
    pub fail: Failure,

    /// Chunks of tokens before the failure.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub fail_after: u64,
}

/// The usage that responses report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// As the dialect has it. A stream of OpenAI's has a chunk for it if `stream_options.include_usage` asks.
    Asked,
    /// Nowhere.
    None,
    /// Also in every chunk, as a running total.
    Running,
    /// In the last chunk with choices, asked or not.
    Last,
    /// As llama-server reports it: `timings` where no usage is asked, the first choice only in a plain response, and in
    /// a stream a chunk for each choice.
    Timings,
}

/// The failure of a response that had begun.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// No failure.
    #[default]
    None,
    /// An error in the dialect of the path, then a clean end. A plain response is a 500.
    Error,
    /// A clean end too early, without the last events. A plain response is broken off.
    End,
    /// The connection is closed without the last chunk.
    Close,
    /// The connection is reset.
    Reset,
    /// Nothing more comes, until the client leaves.
    Hang,
}

impl Settings {
    /// These settings with those that header fields override.
    ///
    /// # Errors
    ///
    /// If a field names no setting, or its value is wrong.
    pub fn overridden(&self, headers: &HeaderMap) -> Result<Self, String> {
        let mut settings = self.clone();
        for (name, value) in headers {
            let Some(setting) = name.as_str().strip_prefix("x-mock-") else { continue };
            settings.set(setting, value.to_str().map_err(|_| format!("{name} is not ASCII"))?)?;
        }
        Ok(settings)
    }

    /// Changes the setting of a flag's name, without its dashes in front.
    ///
    /// # Errors
    ///
    /// If there is no such setting, or the value is wrong.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "latency-ms" => self.latency_ms = number(name, value)?,
            "pause-ms" => self.pause_ms = number(name, value)?,
            "output-tokens" => self.output_tokens = within(name, value, 1, 1_000_000)?,
            "chunk-tokens" => self.chunk_tokens = within(name, value, 1, u64::MAX)?,
            "input-tokens" => self.input_tokens = Some(within(name, value, 0, 1_000_000_000)?),
            "cached-tokens" => self.cached_tokens = number(name, value)?,
            "split-bytes" => self.split_bytes = number(name, value)?,
            "join-events" => self.join_events = number(name, value)?,
            "comment" => self.comment = number(name, value)?,
            "usage" => self.usage = Usage::from_str(value, false)?,
            "status" => self.status = Some(within(name, value, 400, 599)?),
            "retry-after" => self.retry_after = Some(value.to_owned()),
            "fail" => self.fail = Failure::from_str(value, false)?,
            "fail-after" => self.fail_after = number(name, value)?,
            _ => return Err(format!("there is no setting {name}; `mock-model --help` lists them")),
        }
        Ok(())
    }

    /// The time until the head of a response.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    /// The time before a chunk.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms)
    }

    /// Returns `true` if the response fails before its chunk of this number, counted from 0.
    pub(crate) fn fails_before(&self, chunk: u64) -> bool {
        self.fail != Failure::None && chunk == self.fail_after
    }
}

fn number<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|error| format!("{name} cannot be {value:?}: {error}"))
}

fn within<T: FromStr<Err: Display> + PartialOrd + Display + Copy>(
    name: &str,
    value: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    let number = number(name, value)?;
    if number < least || number > most {
        return Err(format!("{name} is {number}, and must be {least} to {most}"));
    }
    Ok(number)
}

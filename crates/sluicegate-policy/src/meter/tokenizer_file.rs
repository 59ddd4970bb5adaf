//! A model's own tokenizer, read from a file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A model's own tokenizer, read from a `tokenizer.json` of Hugging Face's library. Clones share it.
///
/// Only builds with the feature `tokenizers` can read one.
#[derive(Clone)]
pub struct TokenizerFile {
    path: PathBuf,
    tokenizer: Tokenizer,
}

/// The reason that a tokenizer cannot be had, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenizerError {
    /// The reason.
    pub message: String,
    /// The remedy.
    pub help: &'static str,
}

impl TokenizerFile {
    /// Reads the file. It may take seconds.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no tokenizer, or this build reads none.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        Ok(Self { path: path.to_owned(), tokenizer: read(path)? })
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokens of a text, without those that begin and end it. `None` if the tokenizer cannot read it.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Option<u64> {
        tokens(&self.tokenizer, text)
    }
}

impl fmt::Debug for TokenizerFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenizerFile").field(&self.path).finish()
    }
}

#[cfg(feature = "tokenizers")]
type Tokenizer = std::sync::Arc<tokenizers::Tokenizer>;
/// There is none.
#[cfg(not(feature = "tokenizers"))]
type Tokenizer = std::convert::Infallible;

#[cfg(feature = "tokenizers")]
fn read(path: &Path) -> Result<Tokenizer, TokenizerError> {
    let broken = |error: &dyn fmt::Display| TokenizerError {
        message: format!("`{}` is no tokenizer: {error}", path.display()),
        help: "give the tokenizer.json that belongs to the model",
    };
    let file = std::fs::read(path).map_err(|error| TokenizerError {
        message: format!("cannot read `{}`: {error}", path.display()),
        help: "a relative path is relative to the policy file",
    })?;
    let mut tokenizer = tokenizers::Tokenizer::from_bytes(file).map_err(|error| broken(&error))?;
    // A file may cut texts, or make them longer, for the model. Whole texts count.
    tokenizer.with_truncation(None).map_err(|error| broken(&error))?;
    tokenizer.with_padding(None);
    Ok(tokenizer.into())
}

#[cfg(not(feature = "tokenizers"))]
fn read(_: &Path) -> Result<Tokenizer, TokenizerError> {
    Err(TokenizerError {
        message: "this build cannot read tokenizers".to_owned(),
        help: "build the gateway with them: cargo build --release -p sluicegate-gateway --features tokenizers",
    })
}

#[cfg(feature = "tokenizers")]
fn tokens(tokenizer: &Tokenizer, text: &str) -> Option<u64> {
    let encoding = tokenizer.encode_fast(text, false).ok()?;
    u64::try_from(encoding.len()).ok()
}

#[cfg(not(feature = "tokenizers"))]
fn tokens(tokenizer: &Tokenizer, _: &str) -> Option<u64> {
    match *tokenizer {}
}

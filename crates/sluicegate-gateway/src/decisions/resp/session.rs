//! One client's session: the commands that do not decide.

use std::sync::atomic::{AtomicI64, Ordering};

use sluicegate_policy::Policy;

use super::{
    catalogue::{COMMANDS, Command},
    replies::{Protocol, Replies},
};
use crate::decisions::callers::Callers;

/// One client's session.
#[derive(Debug)]
pub(super) struct Session {
    id: i64,
    has_shown_token: bool,
    name: Box<[u8]>,
    /// `true` once nothing more is to be read.
    pub(super) is_over: bool,
}

impl Session {
    /// A session whose client has shown no token.
    pub(super) fn new() -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self { id, has_shown_token: false, name: Box::default(), is_over: false }
    }

    /// Returns `true` if the client may ask for decisions.
    pub(super) fn may_ask(&self, policy: &Policy) -> bool {
        self.has_shown_token || policy.decisions.as_ref().is_none_or(|decisions| decisions.token.is_none())
    }

    /// Replies to a command that does not decide, or that the client may not give.
    pub(super) fn reply(
        &mut self,
        words: &[&[u8]],
        policy: &Policy,
        callers: &Callers,
        replies: &mut Replies,
    ) {
        let [name, arguments @ ..] = words else { return };
        let name = name.to_ascii_uppercase();
        match (name.as_slice(), arguments) {
            (b"AUTH", [token]) => match self.authenticate(b"default", token, policy, callers) {
                Ok(()) => replies.simple("OK"),
                Err(wrong) => replies.error(wrong),
            },
            (b"AUTH", [user, token]) => match self.authenticate(user, token, policy, callers) {
                Ok(()) => replies.simple("OK"),
                Err(wrong) => replies.error(wrong),
            },
            (b"HELLO", options) => self.hello(options, policy, callers, replies),
            (b"QUIT", _) => {
                self.is_over = true;
                replies.simple("OK");
            }
            (b"RESET", []) => {
                *self = Self { id: self.id, ..Self::new() };
                replies.protocol = Protocol::default();
                replies.simple("RESET");
            }
            _ if !self.may_ask(policy) => replies.error("NOAUTH Authentication required."),
            (b"PING", []) => replies.simple("PONG"),
            (b"PING" | b"ECHO", [text]) => replies.text(text),
            (b"SELECT", [b"0"]) => replies.simple("OK"),
            (b"SELECT", [_]) => replies.error("ERR DB index is out of range: there is database 0 alone"),
            (b"CLIENT", [command, arguments @ ..]) => self.client(command, arguments, replies),
            (b"COMMAND", arguments) => command(arguments, replies),
            (b"CONFIG", [get, names @ ..]) if get.eq_ignore_ascii_case(b"GET") => settings(names, replies),
            (b"INFO", _) => replies.text(INFO),
            _ => replies.error(&unknown(words)),
        }
    }

    fn authenticate(
        &mut self,
        user: &[u8],
        token: &[u8],
        policy: &Policy,
        callers: &Callers,
    ) -> Result<(), &'static str> {
        if policy.decisions.as_ref().is_none_or(|decisions| decisions.token.is_none()) {
            return Err("ERR the policy's [decisions] has no token: connect without a password");
        }
        if user != b"default" || !callers.know(policy, token) {
            return Err(
                "WRONGPASS send the token of the policy's [decisions] as the password of the user default",
            );
        }
        self.has_shown_token = true;
        Ok(())
    }

    fn hello(&mut self, options: &[&[u8]], policy: &Policy, callers: &Callers, replies: &mut Replies) {
        let (protocol, mut options) = match options {
            [] => (replies.protocol, options),
            [b"2", rest @ ..] => (Protocol::Resp2, rest),
            [b"3", rest @ ..] => (Protocol::Resp3, rest),
            _ => return replies.error("NOPROTO unsupported protocol version: send 2 or 3"),
        };
        let mut name = None;
        loop {
            match options {
                [] => break,
                [option, user, token, rest @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                    if let Err(wrong) = self.authenticate(user, token, policy, callers) {
                        return replies.error(wrong);
                    }
                    options = rest;
                }
                [option, given, rest @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                    name = Some(*given);
                    options = rest;
                }
                _ => {
                    return replies
                        .error("ERR Syntax error in HELLO: HELLO [2|3 [AUTH default token] [SETNAME name]]");
                }
            }
        }
        if !self.may_ask(policy) {
            return replies.error("NOAUTH send HELLO 2|3 AUTH default token, or AUTH token before it");
        }
        if let Some(name) = name
            && let Err(wrong) = self.set_name(name)
        {
            return replies.error(wrong);
        }
        replies.protocol = protocol;
        replies.map(7);
        for (key, value) in [("server", "sluicegate"), ("version", env!("CARGO_PKG_VERSION"))] {
            replies.text(key);
            replies.text(value);
        }
        for (key, value) in [("proto", protocol.number()), ("id", self.id)] {
            replies.text(key);
            replies.number(value);
        }
        for (key, value) in [("mode", "standalone"), ("role", "master")] {
            replies.text(key);
            replies.text(value);
        }
        replies.text("modules");
        replies.array(0);
    }

    fn client(&mut self, command: &[u8], arguments: &[&[u8]], replies: &mut Replies) {
        match (command.to_ascii_uppercase().as_slice(), arguments) {
            (b"ID", []) => replies.number(self.id),
            (b"GETNAME", []) if self.name.is_empty() => replies.null(),
            (b"GETNAME", []) => replies.text(&self.name),
            (b"SETNAME", [name]) => match self.set_name(name) {
                Ok(()) => replies.simple("OK"),
                Err(wrong) => replies.error(wrong),
            },
            // Clients tell their library's name and version, and ask to be spared from measures that do not exist here.
            (b"SETINFO", [_, _]) | (b"NO-EVICT" | b"NO-TOUCH", [_]) => replies.simple("OK"),
            _ => replies.error("ERR unknown subcommand or wrong arguments: CLIENT ID, GETNAME, SETNAME name or SETINFO attribute value"),
        }
    }

    fn set_name(&mut self, name: &[u8]) -> Result<(), &'static str> {
        if name.len() > LONGEST_NAME || !name.iter().all(u8::is_ascii_graphic) {
            return Err("ERR a client's name has at most 64 visible ASCII characters");
        }
        self.name = name.into();
        Ok(())
    }
}

fn command(arguments: &[&[u8]], replies: &mut Replies) {
    let Some((which, names)) = arguments.split_first() else {
        replies.array(COMMANDS.len());
        return COMMANDS.iter().for_each(|command| command.describe(replies));
    };
    let found = || names.iter().filter_map(|name| Command::find(name));
    match (which.to_ascii_uppercase().as_slice(), names) {
        (b"COUNT", []) => replies.number(i64::try_from(COMMANDS.len()).unwrap_or(i64::MAX)),
        (b"DOCS", []) => {
            replies.map(COMMANDS.len());
            COMMANDS.iter().for_each(|command| command.document(replies));
        }
        (b"DOCS", _) => {
            replies.map(found().count());
            found().for_each(|command| command.document(replies));
        }
        (b"INFO", _) => {
            replies.array(names.len());
            for name in names {
                match Command::find(name) {
                    Some(command) => command.describe(replies),
                    None => replies.null(),
                }
            }
        }
        _ => replies.error("ERR unknown subcommand: COMMAND, COMMAND COUNT, COMMAND DOCS [name ...] or COMMAND INFO name ..."),
    }
}

/// Tells what redis-benchmark wants to know before it begins. Nothing is ever saved here.
fn settings(names: &[&[u8]], replies: &mut Replies) {
    let known =
        |name: &&&[u8]| SETTINGS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
    let found: Vec<_> = names.iter().filter_map(|name| known(&name)).collect();
    replies.map(found.len());
    for (name, value) in found {
        replies.text(name);
        replies.text(value);
    }
}

fn unknown(words: &[&[u8]]) -> String {
    let shown = |word: &[u8]| String::from_utf8_lossy(&word[..word.len().min(MOST_SHOWN)]).into_owned();
    let mut words = words.iter().take(MOST_WORDS_SHOWN);
    let name = words.next().map(|name| shown(name)).unwrap_or_default();
    let arguments: String = words.map(|word| format!("'{}' ", shown(word))).collect();
    if Command::find(name.as_bytes()).is_some() {
        return format!("ERR wrong number or kind of arguments for '{}' command", name.to_ascii_lowercase());
    }
    format!("ERR unknown command '{name}', with args beginning with: {arguments}")
}

static NEXT_ID: AtomicI64 = AtomicI64::new(1);

/// The settings that clients ask for, with their values.
const SETTINGS: [(&str, &str); 2] = [("save", ""), ("appendonly", "no")];

const INFO: &str = concat!(
    "# Server\r\nserver_name:sluicegate\r\nsluicegate_version:",
    env!("CARGO_PKG_VERSION"),
    "\r\nredis_mode:standalone\r\n\r\n# Persistence\r\nloading:0\r\n\r\n# Replication\r\nrole:master\r\n"
);

const LONGEST_NAME: usize = 64;
/// The most bytes of a word that an error shows, and the most words.
const MOST_SHOWN: usize = 40;
const MOST_WORDS_SHOWN: usize = 5;

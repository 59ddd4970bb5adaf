//! The commands that clients can ask about by `COMMAND`.

use super::replies::Replies;

/// A command, as `COMMAND` describes it.
#[derive(Debug)]
pub(super) struct Command {
    name: &'static str,
    /// The number of its words; at least so many where it is negative.
    arity: i64,
    /// The place of its key; 0 without one.
    key: i64,
    summary: &'static str,
}

impl Command {
    /// The command with this name.
    pub(super) fn find(name: &[u8]) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Writes what a client needs to route it.
    pub(super) fn describe(&self, replies: &mut Replies) {
        replies.array(6);
        replies.text(self.name);
        replies.number(self.arity);
        let flags: &[&str] = if self.key == 0 { &["fast"] } else { &["write", "fast"] };
        replies.array(flags.len());
        flags.iter().for_each(|flag| replies.simple(flag));
        [self.key, self.key, self.key].into_iter().for_each(|place| replies.number(place));
    }

    /// Writes its name and what it does, for people.
    pub(super) fn document(&self, replies: &mut Replies) {
        replies.text(self.name);
        replies.map(2);
        for text in ["summary", self.summary, "group", "generic"] {
            replies.text(text);
        }
    }
}

/// All commands, by their names.
pub(super) const COMMANDS: [Command; 13] = [
    Command { name: "auth", arity: -2, key: 0, summary: "Shows the token of the policy's [decisions]" },
    Command {
        name: "cl.throttle",
        arity: -5,
        key: 1,
        summary: "Takes from an account: key max_burst count period [quantity]. Replies limited, limit, remaining, retry_after, reset_after",
    },
    Command { name: "client", arity: -2, key: 0, summary: "Tells about this connection" },
    Command { name: "command", arity: -1, key: 0, summary: "Tells about commands" },
    Command { name: "config", arity: -2, key: 0, summary: "Tells settings that redis-benchmark asks for" },
    Command { name: "echo", arity: 2, key: 0, summary: "Returns its argument" },
    Command { name: "hello", arity: -1, key: 0, summary: "Chooses RESP2 or RESP3" },
    Command { name: "info", arity: -1, key: 0, summary: "Tells about the server" },
    Command { name: "ping", arity: -1, key: 0, summary: "Returns PONG or its argument" },
    Command { name: "quit", arity: -1, key: 0, summary: "Ends the connection" },
    Command { name: "reset", arity: 1, key: 0, summary: "Makes the connection as new" },
    Command { name: "select", arity: 2, key: 0, summary: "Accepts database 0" },
    Command {
        name: "throttle",
        arity: -5,
        key: 1,
        summary: "Takes from an account: key max_burst count_per_period period [quantity]. Replies allowed, limit, remaining, reset_after, retry_after",
    },
];

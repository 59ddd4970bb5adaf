//! One connection, as long as it lasts.

use std::{collections::VecDeque, io, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Answers, Failure, ReplyDelay, Request,
    reply::{Nonsense, Reply},
};
use crate::server::Server;

/// One connection: what is asked is sent at once, however much is not yet answered, and the answers come in the same
/// order.
#[derive(Debug)]
pub(super) struct Connection {
    server: Server,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    input: BytesMut,
    output: BytesMut,
    waiting: VecDeque<Waiting>,
    /// Bytes that were to be sent so far, and those that were.
    taken_in: u64,
    written: u64,
    /// Set if any command got a reply.
    used: bool,
    /// No other connection of this link has it.
    number: u64,
}

/// A waiting batch, and the number of its missing replies.
#[derive(Debug)]
struct Waiting {
    missing: usize,
    /// The number of bytes to send before its own.
    begins: u64,
    replies: Vec<Reply>,
    request: Request,
}

/// The end of a connection.
#[derive(Debug)]
pub(super) enum End {
    /// It is no longer needed.
    Unneeded,
    /// The server, or something on the way, closed it after it had been of use: it can be opened again.
    Closed,
    /// Opening it again would be no better for now.
    Failed(Failure),
}

impl Connection {
    /// Connects, and makes sure that there is a Memcached that answers.
    pub(super) async fn open(server: &Server, number: u64) -> Result<Self, Failure> {
        let greeted = timeout(RESPONSE_TIMEOUT, async {
            let stream = TcpStream::connect((server.host.as_str(), server.port)).await;
            let stream = stream.map_err(|error| {
                Failure::new(format!(
                    "cannot connect to memcached at {server}: {error}; is it up, and the address right?"
                ))
            })?;
            Self::greet(server, stream, number).await
        });
        greeted.await.unwrap_or_else(|_| Err(silent(server)))
    }

    async fn greet(server: &Server, stream: TcpStream, number: u64) -> Result<Self, Failure> {
        // Without it, small requests would wait for the acknowledgement of those before them.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let mut connection = Self {
            server: server.clone(),
            reader,
            writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
            waiting: VecDeque::new(),
            taken_in: 0,
            written: 0,
            used: false,
            number,
        };
        let lost = |error: io::Error| {
            Failure::new(format!("{server} closes new connections: {error}; is it memcached?"))
        };
        connection.writer.write_all(b"version\r\nmn\r\n").await.map_err(lost)?;
        let version = connection.next_reply().await.map_err(lost)?;
        match version {
            Ok(Reply::Version(version)) if too_old(&version) => Err(Failure::misconfigured(format!(
                "memcached at {server} is version {version}; use {} or later",
                OLDEST.map(|number| number.to_string()).join(".")
            ))),
            Ok(Reply::Version(_)) => match connection.next_reply().await.map_err(lost)? {
                Ok(Reply::NoOp) => Ok(connection),
                other => Err(foreign(server, &other)),
            },
            other => Err(foreign(server, &other)),
        }
    }

    async fn next_reply(&mut self) -> io::Result<Result<Reply, Nonsense>> {
        loop {
            match Reply::parse(&mut self.input) {
                Ok(Some(reply)) => return Ok(Ok(reply)),
                Err(nonsense) => return Ok(Err(nonsense)),
                Ok(None) => {}
            }
            if self.reader.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends requests, the `first` before all others, and delivers replies until the connection ends. The callers that
    /// wait then learn that it is unknown what was done, or that nothing was, if nothing was sent.
    pub(super) async fn serve(
        mut self,
        first: Option<Request>,
        requests: &mut mpsc::Receiver<Request>,
        reply_delay: &ReplyDelay,
    ) -> End {
        let mut heard = Instant::now();
        first.into_iter().for_each(|request| self.take_in(request));
        loop {
            reply_delay.set((!self.waiting.is_empty()).then_some(heard));
            self.input.reserve(ROOM);
            tokio::select! {
                // A connection that has ended is seen before anything more is written to it.
                biased;
                read = self.reader.read_buf(&mut self.input) => {
                    heard = Instant::now();
                    match read {
                        Ok(1..) => if let Err(nonsense) = self.next_jobs() {
                            let failure = foreign(&self.server, &Err(nonsense));
                            return self.end(&failure, End::Failed(failure.clone()));
                        },
                        Ok(0) | Err(_) => return self.closed(),
                    }
                }
                written = self.writer.write_buf(&mut self.output), if self.output.has_remaining() => {
                    match written {
                        Ok(bytes) => self.written += u64::try_from(bytes).unwrap_or(u64::MAX),
                        Err(_) => return self.closed(),
                    }
                }
                request = requests.recv(), if self.waiting.len() < MOST_WAITING => match request {
                    None => return End::Unneeded,
                    Some(request) => {
                        if self.waiting.is_empty() {
                            heard = Instant::now();
                        }
                        self.take_in(request);
                    }
                },
                () = sleep_until(heard + RESPONSE_TIMEOUT), if !self.waiting.is_empty() => {
                    let failure = silent(&self.server);
                    return self.end(&failure, End::Failed(failure.clone()));
                }
            }
        }
    }

    fn take_in(&mut self, request: Request) {
        if request.only_on.is_some_and(|number| number != self.number) {
            return request.refuse(lost(&self.server));
        }
        let begins = self.taken_in;
        self.taken_in += u64::try_from(request.commands.len()).unwrap_or(u64::MAX);
        self.output.extend_from_slice(&request.commands);
        self.waiting.push_back(Waiting {
            missing: request.answers,
            begins,
            replies: Vec::with_capacity(request.answers),
            request,
        });
    }

    /// Delivers the replies that have arrived to the callers, in their order.
    fn next_jobs(&mut self) -> Result<(), Nonsense> {
        while let Some(reply) = Reply::parse(&mut self.input)? {
            let Some(first) = self.waiting.front_mut() else {
                return Err(Nonsense("an answer to nothing".into()));
            };
            first.replies.push(reply);
            first.missing -= 1;
            if first.missing == 0
                && let Some(Waiting { replies, request, .. }) = self.waiting.pop_front()
            {
                self.used = true;
                request.answer(Answers { replies, connection: self.number });
            }
        }
        Ok(())
    }

    fn closed(self) -> End {
        let failure =
            Failure::new(format!("memcached at {} closed the connection; was it restarted?", self.server));
        let end = if self.used { End::Closed } else { End::Failed(failure.clone()) };
        self.end(&failure, end)
    }

    fn end(self, failure: &Failure, end: End) -> End {
        for Waiting { request, begins, .. } in self.waiting {
            request.refuse(match (begins >= self.written, &end) {
                (true, End::Closed) => lost(&self.server),
                (true, _) => failure.clone(),
                (false, _) => failure.clone().after_sending(),
            });
        }
        end
    }
}

/// There is, or will be, another connection.
fn lost(server: &Server) -> Failure {
    Failure::replaced(format!("the connection to memcached at {server} was lost"))
}

fn silent(server: &Server) -> Failure {
    Failure::new(format!(
        "memcached at {server} has not answered for {RESPONSE_TIMEOUT:?}; is it up, and not overloaded?"
    ))
}

/// Something else listens there.
fn foreign(server: &Server, answer: &Result<Reply, Nonsense>) -> Failure {
    match answer {
        Err(Nonsense(line)) if line.contains("unauthenticated") => Failure::misconfigured(format!(
            "memcached at {server} asks for a login, which cannot be given; start it without SASL and without -Y"
        )),
        Err(Nonsense(line)) => Failure::misconfigured(format!(
            "{server} answers `{line}`, and not as memcached with meta commands does; is the address right?"
        )),
        Ok(reply) => {
            Failure::misconfigured(format!("{server} answers {reply:?} out of turn; is it memcached itself?"))
        }
    }
}

fn too_old(version: &str) -> bool {
    let mut numbers =
        version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    let version = [numbers.next(), numbers.next(), numbers.next()].map(Option::unwrap_or_default);
    version < OLDEST
}

/// The first that was tried with this.
const OLDEST: [u32; 3] = [1, 6, 18];
/// The delay of a reply after which the connection counts as lost.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes that are read at once, at least.
const ROOM: usize = 4_096;
/// Requests that are sent and not answered, beyond which none is sent.
const MOST_WAITING: usize = 1_024;

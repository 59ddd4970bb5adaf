//! A connection through the proxy.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

use super::{Shared, Weather};

/// Both halves of a connection. It is closed when the last of its threads lets go of it.
#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
    reset: AtomicBool,
}

impl Connection {
    /// Connects a client to the server, and carries bytes between them until both have said all.
    pub(super) fn open(client: TcpStream, shared: &Arc<Shared>) {
        let Ok(server) = TcpStream::connect(shared.server) else {
            // As near as it gets to the server's own refusal.
            drop(SockRef::from(&client).set_linger(Some(Duration::ZERO)));
            return;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("an open socket");
            // So that a writer that is stuck hears of a reset.
            stream.set_write_timeout(Some(Duration::from_millis(100))).expect("an open socket");
        }
        let connection = Arc::new(Self { client, server, reset: AtomicBool::new(false) });
        let mut state = shared.state();
        state.connections.retain(|connection| connection.strong_count() > 0);
        state.connections.push(Arc::downgrade(&connection));
        drop(state);
        connection.carry(shared, |it| (&it.client, &it.server), |weather| weather.there);
        connection.carry(shared, |it| (&it.server, &it.client), |weather| weather.back);
    }

    /// Closes it by RST on both sides, as soon as its threads have let go of it.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
        for stream in [&self.client, &self.server] {
            drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
            // It sends nothing, and wakes whoever reads.
            drop(stream.shutdown(Shutdown::Read));
        }
    }

    /// One direction. One thread reads and another writes, so that a delay does not slow down what follows.
    #[allow(clippy::disallowed_methods)] // bytes are late in real time
    fn carry(self: &Arc<Self>, shared: &Arc<Shared>, ends: Ends, delay: fn(Weather) -> Duration) {
        let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
        let (this, weather) = (Arc::clone(self), Arc::clone(shared));
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match ends(&this).0.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => {
                        let due = Instant::now() + delay(weather.weather());
                        drop(sender.send((due, buffer[..read].to_vec())));
                    }
                    Err(_) => break this.reset(),
                }
            }
        });
        let (this, weather) = (Arc::clone(self), Arc::clone(shared));
        thread::spawn(move || {
            for (due, bytes) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if !weather.weather().black_hole && !this.write(ends(&this).1, &bytes) {
                    return this.reset();
                }
            }
            if !this.is_reset() && !weather.weather().black_hole {
                drop(ends(&this).1.shutdown(Shutdown::Write));
            }
        });
    }

    /// Writes all, if it can.
    fn write(&self, mut stream: &TcpStream, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !self.is_reset() {
            match stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return false,
            }
        }
        bytes.is_empty()
    }

    fn is_reset(&self) -> bool {
        self.reset.load(Ordering::SeqCst)
    }
}

/// From where and to where bytes go.
type Ends = fn(&Connection) -> (&TcpStream, &TcpStream);

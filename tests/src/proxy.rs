//! What stands between a store and its PostgreSQL, and does to a commit what networks and pauses do.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// What happens to the next COMMIT that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The connection is lost before the database gets it.
    LostBefore,
    /// The connection is lost when the database has carried it out.
    LostAfter,
    /// It is held back until it is let go, as if the worker were paused.
    Held,
}

/// A proxy for connections without TLS.
pub struct Proxy {
    address: String,
    frozen: watch::Sender<bool>,
    mishap: watch::Sender<Option<Mishap>>,
    held: Arc<Notify>,
    release: Arc<Notify>,
}

impl Proxy {
    /// Listens for connections to a server.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (mishap, held, release) = (watch::Sender::new(None), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let frozen = watch::Sender::new(false);
        let proxy = Self {
            address,
            frozen: frozen.clone(),
            mishap: mishap.clone(),
            held: held.clone(),
            release: release.clone(),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let line = Line {
                    frozen: frozen.subscribe(),
                    mishap: mishap.clone(),
                    held: held.clone(),
                    release: release.clone(),
                };
                if let Ok(server) = TcpStream::connect(&server).await {
                    tokio::spawn(line.carry(client, server));
                }
            }
        });
        proxy
    }

    /// The URL by which a database is reached through this.
    pub fn url(&self, url: &str) -> String {
        let database = url.rsplit('/').next().unwrap();
        format!("postgres://postgres@{}/{database}?sslmode=disable", self.address)
    }

    /// Arranges for a mishap, once.
    pub fn prepare(&self, mishap: Mishap) {
        self.mishap.send_replace(Some(mishap));
    }

    /// Waits until the mishap has befallen a COMMIT.
    pub async fn has_happened(&self) {
        let _ = self.mishap.subscribe().wait_for(Option::is_none).await;
    }

    /// Lets nothing pass, or all again: to the server, whoever is behind this is paused.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Waits until a COMMIT is held back.
    pub async fn holds(&self) {
        self.held.notified().await;
    }

    /// Lets it go.
    pub fn let_go(&self) {
        self.release.notify_one();
    }
}

struct Line {
    frozen: watch::Receiver<bool>,
    mishap: watch::Sender<Option<Mishap>>,
    held: Arc<Notify>,
    release: Arc<Notify>,
}

impl Line {
    /// Carries bytes both ways until either side ends.
    async fn carry(mut self, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => {
                    let bytes = &asked[..read?];
                    let commits = bytes.windows(6).any(|word| word == b"COMMIT");
                    let mishap = if commits { self.mishap.send_replace(None) } else { None };
                    match mishap {
                        Some(Mishap::LostBefore) => return Ok(()),
                        Some(Mishap::LostAfter) => {
                            server.write_all(bytes).await?;
                            let _ = server.read(&mut answered).await?;
                            return Ok(());
                        }
                        Some(Mishap::Held) => {
                            self.held.notify_one();
                            self.release.notified().await;
                        }
                        None => {}
                    }
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    self.thaw().await;
                    server.write_all(bytes).await?;
                }
                read = server.read(&mut answered) => {
                    let bytes = &answered[..read?];
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    self.thaw().await;
                    client.write_all(bytes).await?;
                }
            }
        }
    }

    async fn thaw(&mut self) {
        let _ = self.frozen.wait_for(|frozen| !frozen).await;
    }
}

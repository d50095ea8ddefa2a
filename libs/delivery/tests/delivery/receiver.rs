//! A receiver that does to each connection what a test wants, and counts them.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Listens on a port of this machine until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    /// The addresses of ours that were called, one for each connection.
    called: Arc<Mutex<Vec<IpAddr>>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_on("127.0.0.1:0", serve).await
    }

    async fn start_on<F>(address: &str, serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let called = Arc::new(Mutex::new(Vec::new()));
        let (mut tasks, notes) = (JoinSet::new(), Arc::clone(&called));
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                notes.lock().unwrap().push(stream.local_addr().unwrap().ip());
                serving.spawn(serve(stream));
            }
        });
        Self { address, called, _tasks: tasks }
    }

    /// Reads a request and answers with these bytes.
    pub async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::on("127.0.0.1:0", answer).await
    }

    /// The same on another address.
    pub async fn on(address: &str, answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::start_on(address, move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&answer).await;
            }
        })
        .await
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.called.lock().unwrap().len()
    }

    /// The addresses that were called, in order.
    pub fn called(&self) -> Vec<String> {
        self.called.lock().unwrap().iter().map(IpAddr::to_string).collect()
    }
}

/// Reads a request up to the end of its body, and gives its head.
pub async fn read_request(stream: &mut TcpStream) -> String {
    let (mut stream, mut head) = (BufReader::new(stream), String::new());
    while stream.read_line(&mut head).await.unwrap() > 2 {}
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head
}

/// Reads nothing more and keeps the connection open for ever.
pub async fn hold<T>(_open: T) {
    std::future::pending().await
}

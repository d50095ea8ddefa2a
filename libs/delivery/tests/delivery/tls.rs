//! TLS: whom a client trusts.

use std::sync::Arc;

use delivery::egress::{CallError, ClientError, Egress, Names, Part, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::receiver::Receiver;
use super::send;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A receiver at `hook.example` whose certificate an authority of our own has signed.
async fn receiver(authority: &CertifiedIssuer<'static, KeyPair>) -> Receiver {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["hook.example".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    Receiver::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .await
}

fn egress(roots: Option<Vec<u8>>) -> Result<Egress, ClientError> {
    let names = Names::new(|_| async { Ok(vec!["127.0.0.1".parse().unwrap()]) });
    Egress::new(Settings { allow: vec!["127.0.0.0/8".parse().unwrap()], roots, names })
}

#[tokio::test]
async fn an_own_authority_is_trusted_when_it_is_given_and_for_its_names_alone() {
    let authority = authority();
    let receiver = receiver(&authority).await;
    let url = |host: &str| format!("https://{host}:{}/canary?canary", receiver.address.port());
    let trusting = egress(Some(authority.pem().into_bytes())).unwrap();
    let hook = url("hook.example");
    assert_eq!(send(&trusting, &hook).await.unwrap().status, 200);

    let strange = egress(None).unwrap();
    for (egress, url) in [(&strange, hook), (&trusting, url("other.example")), (&trusting, url("127.0.0.1"))] {
        let error = send(egress, &url).await.unwrap_err();
        assert!(matches!(error, CallError::Connect(_)), "{url}: {error:?}");
        assert_eq!((error.part(), error.can_pass()), (Part::Connect, true));
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    assert!(matches!(egress(Some(Vec::new())), Err(ClientError::NoRoots)));
    assert!(matches!(egress(Some(b"no PEM".to_vec())), Err(ClientError::NoRoots)));
    let damaged = b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n".to_vec();
    assert!(matches!(egress(Some(damaged)), Err(ClientError::Roots(_))));
}

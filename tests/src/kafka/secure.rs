//! A listener that wants to know who connects.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The settings of librdkafka with which the secure listener lets a client in: TLS with the
/// cluster's authority, a certificate of the client's own, and a password.
pub struct Credentials {
    folder: PathBuf,
}

impl Credentials {
    /// Makes an authority, and certificates for the brokers and for a client.
    pub(super) fn create(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut authority = params("authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(folder.join("authority.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(authority, key);
        for name in ["broker", "client"] {
            let key = KeyPair::generate().unwrap();
            let certificate = params(name).signed_by(&key, &issuer).unwrap();
            let both = key.serialize_pem() + &certificate.pem();
            std::fs::write(folder.join(format!("{name}.pem")), both).unwrap();
        }
        Self { folder: folder.to_owned() }
    }

    /// All of them.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        vec![
            ("security.protocol", "sasl_ssl".to_owned()),
            ("ssl.ca.location", file("authority.pem")),
            ("ssl.certificate.location", file("client.pem")),
            ("ssl.key.location", file("client.pem")),
            ("sasl.mechanism", "PLAIN".to_owned()),
            ("sasl.username", "regledger".to_owned()),
            ("sasl.password", "right".to_owned()),
        ]
    }

    /// The settings of a broker for its listener SECURE.
    pub(super) fn listener(&self) -> Vec<String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let login = "org.apache.kafka.common.security.plain.PlainLoginModule required user_regledger=\"right\";";
        let settings = [
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", &file("broker.pem")),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", &file("authority.pem")),
            ("ssl.client.auth", "required"),
            ("sasl.enabled.mechanisms", "PLAIN"),
            ("plain.sasl.jaas.config", login),
        ];
        settings.iter().map(|(name, value)| format!("listener.name.secure.{name}={value}")).collect()
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

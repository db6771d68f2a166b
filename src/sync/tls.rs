//! Whom to trust over TLS: the system's certificates, or those of a given file and no other.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::store::document;
use crate::store::with_causes;

/// More than all certificates of a system.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A client that trusts the certificates in the file (PEM), or the system's.
pub(super) fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => given(path, &mut roots)?,
        // Where a system has none, plain HTTP to this machine still works, and everything
        // else fails with what TLS says.
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| with_causes(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn given(path: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    let shown = path.display();
    let bytes = document::read(path, MAX_BYTES)
        .map_err(|error| with_causes(&error))?
        .ok_or_else(|| format!("there is no file {shown}; ca_file names it"))?;
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate
            .map_err(|error| format!("{shown} has a certificate that is none: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{shown}: {}", with_causes(&error)))?;
        found += 1;
    }
    if found == 0 {
        return Err(format!("{shown} has no certificate in PEM"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ca.pem");
        assert!(client(Some(&path)).expect_err("missing").contains("no file"));
        std::fs::write(&path, "nothing").expect("written");
        assert!(client(Some(&path)).expect_err("empty").contains("no certificate"));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, broken).expect("written");
        assert!(client(Some(&path)).is_err());
        assert!(client(None).is_ok());
    }
}

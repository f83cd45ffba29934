use std::{fs, path::Path};

use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::{AuthMode, Error, JwtArgs, Secret, ServeArgs, long_enough, wrong};
use crate::identity::{Auth, Jwks, Trust, Verifier};

impl JwtArgs {
    /// Issuer and audience; a token without them could be meant for somebody else.
    pub fn trust(&self) -> Result<Trust, Error> {
        let text = |setting, text: &Option<String>| {
            text.clone().filter(|text| !text.is_empty()).ok_or_else(|| wrong(setting, "is not set"))
        };
        let issuer = text("TE_JWT_ISSUER", &self.jwt_issuer)?;
        Ok(Trust { issuer, audience: text("TE_JWT_AUDIENCE", &self.jwt_audience)? })
    }

    /// The secret of HS256 tokens, if one is set.
    pub fn secret(&self) -> Result<Option<&Secret>, Error> {
        let secret = self.jwt_secret.as_ref().filter(|secret| !secret.expose().is_empty());
        secret.map(|secret| long_enough("TE_JWT_SECRET", secret).map(|()| secret)).transpose()
    }

    /// The same, for those who can not do without.
    pub fn required_secret(&self) -> Result<&Secret, Error> {
        self.secret()?.ok_or_else(|| wrong("TE_JWT_SECRET", "is not set"))
    }
}

pub(super) fn auth(args: &ServeArgs) -> Result<Auth, Error> {
    if args.auth == AuthMode::Off {
        return Ok(Auth::Off);
    }
    let (trust, secret) = (args.jwt.trust()?, args.jwt.secret()?);
    let jwks = given(args.jwks_file.as_deref());
    let jwks = jwks.map(|path| Jwks::open(path, &trust)).transpose();
    let jwks = jwks.map_err(|error| wrong("TE_JWKS_FILE", error.to_string()))?;
    if secret.is_none() && jwks.is_none() {
        return Err(wrong("TE_JWT_SECRET", "or TE_JWKS_FILE must be set (or TE_AUTH=off for development)"));
    }
    Ok(Auth::Jwt(Box::new(Verifier::new(&trust, secret.map(|secret| secret.expose().as_bytes()), jwks))))
}

pub(super) fn tls(args: &ServeArgs) -> Result<Option<ServerTlsConfig>, Error> {
    let read = |setting, path: &Path| {
        fs::read(path).map_err(|error| wrong(setting, format!("{}: {error}", path.display())))
    };
    let ca = given(args.tls_client_ca.as_deref());
    let (cert, key) = match (given(args.tls_cert.as_deref()), given(args.tls_key.as_deref())) {
        (Some(cert), Some(key)) => (read("TE_TLS_CERT", cert)?, read("TE_TLS_KEY", key)?),
        (None, None) if ca.is_none() => return Ok(None),
        (None, _) => return Err(wrong("TE_TLS_CERT", "must be set for TLS")),
        (Some(_), None) => return Err(wrong("TE_TLS_KEY", "must be set together with TE_TLS_CERT")),
    };
    let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
    if let Some(ca) = ca {
        tls = tls.client_ca_root(Certificate::from_pem(read("TE_TLS_CLIENT_CA", ca)?));
    }
    // Builds the acceptor once, so that a broken file stops the start before anything is bound.
    match Server::builder().tls_config(tls.clone()) {
        Ok(_) => Ok(Some(tls)),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            Err(wrong("TE_TLS_CERT, TE_TLS_KEY or TE_TLS_CLIENT_CA", format!("does not work: {cause}")))
        }
    }
}

/// An empty path stands for none: that is how a variable is unset in many tools.
fn given(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| !path.as_os_str().is_empty())
}

"""The certificates of the API server: a CA of its own, valid on this machine's loopback only."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nightshift.embedded.kube.privatefiles import private_folder, write_private

CA_DAYS = 3650
SERVER_DAYS = 365
RENEW_DAYS = 30
_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate, as clients trust it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def server_context(folder: Path, now: dt.datetime) -> tuple[ssl.SSLContext, bytes]:
    """Make the server's TLS context, and give the CA certificate (PEM) for clients.

    The CA is kept in ``folder`` (mode 0700, files 0600), so that clients of an earlier start still
    trust this one; it is renewed ``RENEW_DAYS`` before its end. The server's own certificate is
    new at every start.
    """
    private_folder(folder)
    authority = _load_authority(folder, now) or _make_authority(folder, now)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign_server(authority, key, now)
    chain = folder / "server.pem"
    write_private(chain, certificate.public_bytes(serialization.Encoding.PEM) + _private_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain)
    return context, authority.pem


def _load_authority(folder: Path, now: dt.datetime) -> Authority | None:
    certificate_file, key_file = folder / "ca.crt", folder / "ca.key"
    if not (certificate_file.is_file() and key_file.is_file()):
        return None
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if certificate.not_valid_after_utc < now + dt.timedelta(days=RENEW_DAYS):
        return None
    return Authority(certificate, key) if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _make_authority(folder: Path, now: dt.datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nightshift-embedded-ca")])
    builder = _certificate(name, name, key.public_key(), now, CA_DAYS)
    certificate = (
        builder
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(certificate, key)
    write_private(folder / "ca.key", _private_pem(key))
    write_private(folder / "ca.crt", authority.pem)
    return authority


def _sign_server(
    authority: Authority, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nightshift-embedded")])
    names = x509.SubjectAlternativeName([
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = _certificate(name, authority.certificate.subject, key.public_key(), now, SERVER_DAYS)
    return (
        builder
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(names, critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509
        .CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

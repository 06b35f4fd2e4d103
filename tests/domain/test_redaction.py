import pytest

from nightshift.domain.redaction import finds_secrets, mask_quoted, mask_runs
from nightshift.domain.sarif_values import SarifRule

SECRETS = [
    pytest.param("ghp_16C7e42F292c6912E7710c838347Ae178B4a", id="GitHub token"),
    pytest.param("AKIAV3RYS3CR3TK3YABC", id="AWS key id"),
    pytest.param("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", id="AWS secret key"),
    pytest.param("xoxb-123456789012-abcdefGHIJ123456klmn", id="Slack token"),
    pytest.param("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c", id="hex digest"),
    pytest.param("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", id="JWT header"),
]


@pytest.mark.parametrize("secret", SECRETS)
def test_random_runs_are_masked(secret: str) -> None:
    masked = mask_runs(f"token {secret} in use")
    assert masked == "token [masked] in use"


@pytest.mark.parametrize(
    "text",
    [
        "subprocess-popen-with-shell-equals-true",
        "src/main/java/com/example/service/HttpClientFactory2.java",
        "Use of weak MD5 hash for security. Consider usedforsecurity=False",
        "test_create_user_with_invalid_email_address_42",
        "CVE-2024-123456",
        "================================================",
        "0000000000000000000000000000000000000000",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert mask_runs(text) == text


@pytest.mark.parametrize("quote", "'\"`")
def test_what_a_message_quotes_is_masked(quote: str) -> None:
    assert mask_quoted(f"password {quote}hunter2{quote} is bad") == (
        f"password {quote}[masked]{quote} is bad"
    )


@pytest.mark.parametrize(
    ("rule", "secret"),
    [
        (SarifRule("B105", cwe=("CWE-259",)), True),
        (SarifRule("S105", title='Possible hardcoded password assigned to: "x"'), True),
        (SarifRule("generic-api-key"), True),
        (SarifRule("S101", title="Use of `assert` detected"), False),
        (SarifRule("S324", cwe=("CWE-327",)), False),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_rules_that_find_secrets_are_known(rule: SarifRule, secret: bool) -> None:
    assert finds_secrets(rule) is secret

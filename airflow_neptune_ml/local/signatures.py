"""Checking Signature Version 4, with botocore's own signer.

A refusal is HTTP 403 with the code AccessDeniedException, the guide's general one for authentication
failures. The texts are modelled on the table of IAM authentication errors in Neptune's user guide ("Graph
Engine Error Messages and Codes") and may differ from a real cluster's in their wording; which code goes with
each of them is not documented.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import SplitResult, quote, unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from airflow_neptune_ml.local.errors import ServiceError
from airflow_neptune_ml.local.wire import Call

Secret = str | tuple[str, str | None]
"""A secret key, or a secret key and the session token that goes with it."""

Keys = Mapping[str, Secret] | Callable[[str], Secret | None]
"""Secrets by access key id, or a function that finds one."""

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
MAXIMUM_AGE = 300  # seconds, as Neptune's error text has it
_DATE = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request"
    r"\s*,\s*SignedHeaders=(?P<names>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-f]+)\s*"
)

MALFORMED = "The request did not include the required authorization header, or it was malformed."
NO_TOKEN = "Missing Authentication Token."  # noqa: S105 - an error text
UNKNOWN_KEY = "The security token included in the request is invalid."
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True)
class Signatures:
    """Knows the keys that may sign.

    :param keys: Secrets by access key id, or a function that finds them; a secret with its session token is a
        pair.
    :param region: Refuse signatures for another region; None takes any.
    """

    keys: Keys
    region: str | None = None

    def check(self, call: Call, service: str) -> None:
        """Refuse a request that is not signed by one of the keys, for this service."""
        header = call.headers.get("authorization")
        if not header:
            raise _denied(NO_TOKEN)
        claim = _AUTHORIZATION.fullmatch(header.strip())
        if claim is None:
            raise _denied(MALFORMED)
        if claim["service"] != service:
            raise _denied(f"Credential should be scoped to correct service: '{service}'.")
        if self.region is not None and claim["region"] != self.region:
            raise _denied(f"Credential should be scoped to a valid Region, not '{claim['region']}'.")
        self._check_date(call, claim["day"])
        secret, token = self._secret(claim["key"])
        if token is not None and not hmac.compare_digest(token, call.headers.get("x-amz-security-token", "")):
            raise _denied(UNKNOWN_KEY)
        names = claim["names"].split(";")
        # The signature covers this header, which must not cover another body.
        told = call.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
        if told not in (UNSIGNED_PAYLOAD, hashlib.sha256(call.body).hexdigest()):
            raise _denied(MISMATCH)
        credentials = Credentials(claim["key"], secret, token)
        for signer in (SigV4Auth, _Encoding):
            expected = _sign(call, names, signer(credentials, service, claim["region"]))
            if hmac.compare_digest(expected, claim["signature"]):
                return
        raise _denied(MISMATCH)

    def _secret(self, key: str) -> tuple[str, str | None]:
        found = self.keys(key) if callable(self.keys) else self.keys.get(key)
        if found is None:
            raise _denied(UNKNOWN_KEY)
        return (found, None) if isinstance(found, str) else found

    def _check_date(self, call: Call, day: str) -> None:
        text = call.headers.get("x-amz-date", "")
        try:
            signed = datetime.strptime(text, _DATE).replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise _denied(f"Date must be in ISO-8601 'basic format'. Got '{text}'.") from None
        if not text.startswith(day):
            raise _denied(
                f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: '{day}'."
            )
        now = time.time()
        if signed < now - MAXIMUM_AGE:
            raise _denied(f"Signature expired: {text} is now earlier than {_stamp(now - MAXIMUM_AGE)}")
        if signed > now + MAXIMUM_AGE:
            raise _denied(
                f"Signature not yet current: {text} is still later than {_stamp(now + MAXIMUM_AGE)}"
            )


class _Encoding(SigV4Auth):
    """Encodes the query before it signs, as the specification of Signature Version 4 says.

    botocore has always encoded what it signs, so that it takes the query as it is. Other clients sign the
    encoded query and send it with colons and slashes, as in a role's ARN.
    """

    def _canonical_query_string_url(self, parts: SplitResult) -> str:
        pairs = [
            tuple(quote(unquote(half), safe="-_.~") for half in pair.partition("=")[::2])
            for pair in parts.query.split("&")
            if pair
        ]
        return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _sign(call: Call, names: list[str], signer: SigV4Auth) -> str:
    missing = [name for name in names if name not in call.headers]
    if missing:
        raise _denied(
            f"'{missing[0]}' is named as a SignedHeader, but it does not exist in the HTTP request."
        )
    # http, not https: for https botocore may leave the body out of the signature, which no client does here.
    url = f"http://{call.headers.get('host', '')}{call.path}" + (f"?{call.query}" if call.query else "")
    headers = {name: call.headers[name] for name in names}
    request = AWSRequest(call.method, url, headers=headers, data=call.body)
    request.context["timestamp"] = call.headers["x-amz-date"]
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(_DATE)


def _denied(text: str) -> ServiceError:
    return ServiceError("AccessDeniedException", text, 403)

"""What comes from outside: ids, status words, bodies, events, connections, addresses, rendered arguments."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from airflow_neptune_ml.jobs import KINDS

SECRET = "-".join(["correct", "horse", "battery"])
"""Stands wherever a secret may stand; nothing may show it."""

kinds = st.sampled_from(sorted(KINDS))

texts = st.text(max_size=40) | st.sampled_from(
    [
        "",
        " ",
        "None",
        "none",
        "null",
        "..",
        ".",
        "../..",
        "a/b",
        "%2e%2e",
        "a%2fb",
        "a?clean=true",
        "a#b",
        "a\\b",
        "a\nb",
        "a\r\nHost: evil",
        "\ud800",
        "\x00",
        "a" * 48,
        "a" * 49,
        "\uff41",
        "{{ x }}",
        "%s{0}",
        "arn:aws:iam::111111111111:role/x",
        "s3://bucket/key",
    ]
)
plain = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
"""What JSON can hold."""

ids = st.from_regex(r"[A-Za-z0-9-]{1,50}", fullmatch=True) | texts | values
"""Also what a native template makes of an id: numbers, lists, anything."""

_WORDS = sorted({word for kind in KINDS.values() for word in kind.phases})
statuses = st.sampled_from(_WORDS) | texts

_answers = st.fixed_dictionaries(
    {},
    optional={
        "status": statuses | values,
        "id": ids,
        "ids": st.lists(ids, max_size=4) | values,
        "arn": values,
        "creationTimeInMillis": values,
        "processingJob": st.dictionaries(st.sampled_from(["name", "arn", "status", "failureReason"]), values),
        "mlModels": values,
        "endpoint": values,
        "endpointConfig": values,
        "code": values,
        "detailedMessage": values,
        "message": values,
        "requestId": values,
        "features": values,
        "settings": values,
        "dbEngineVersion": values,
    },
)
_TOKEN = st.sampled_from(["X-Amz-Security-Token", "x-amz-security-token", "X-Amz-Signature"])
_BETWEEN = st.sampled_from(
    [
        ": ",
        "=",
        ":",
        "%3D",
        '": "',
        "': '",
        '\\": \\"',
        "&quot;: &quot;",
        "&#34;:&#34;",
        "</td><td>",
        "</th>\n<td>",
        "\\u003c/td\\u003e\\u003ctd\\u003e",
        "&lt;/td&gt;&lt;td&gt;",
        " ",
    ]
)
echoes = st.one_of(
    st.tuples(
        st.text(max_size=5), _TOKEN, _BETWEEN, st.just(SECRET), st.sampled_from(["", '"', "&", "\n", "<"])
    ).map("".join),
    st.just(
        f"authorization: AWS4-HMAC-SHA256 Credential=A/us-east-1, SignedHeaders=host, Signature={SECRET}"
    ),
    st.just(f"https://me:{SECRET}@proxy/ml"),
)
"""What a proxy or a debugging page may show of the request that it was sent."""

bodies = st.one_of(
    echoes.map(lambda text: text.encode(errors="replace")),
    echoes.map(lambda text: json.dumps({"code": "AccessDeniedException", "detailedMessage": text}).encode()),
    echoes.map(lambda text: json.dumps({"reason": {"headers": text}}).encode()),
    st.binary(max_size=60),
    texts.map(lambda text: text.encode(errors="replace")),
    values.map(lambda value: json.dumps(value).encode()),
    _answers.map(lambda value: json.dumps(value).encode()),
    _answers.map(lambda value: json.dumps(value).encode()[:-3]),
)
http_statuses = st.sampled_from(
    [200, 200, 200, 201, 301, 302, 400, 401, 403, 404, 405, 409, 429, 500, 502, 503]
)

hosts = st.sampled_from(
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "::1",
        "g.cluster-abc.eu-west-1.neptune.amazonaws.com",
        "g.cluster-ro-abc.eu-west-1.neptune.amazonaws.com",
        "evil.example",
        "127.0.0.1.evil.example",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "①②⑦.0.0.1",
        "evil。example",
        "a_b",
        "-a",
        "a" * 70,
    ]
) | st.text(max_size=12)
_glue = st.sampled_from(
    [
        "",
        "/",
        "//",
        "\\",
        "@",
        "?",
        "#",
        ":",
        ":443",
        ":8182",
        ":99999",
        ":x",
        "%",
        ";",
        "..",
        " ",
        "\t",
        "\n",
    ]
)
addresses = st.one_of(
    st.tuples(
        st.sampled_from(
            ["", "https://", "http://", "HTTPS://", "ftp://", "//", "https:", "https:\\\\", "http:/"]
        ),
        hosts,
        _glue,
        hosts | texts,
        _glue,
    ).map("".join),
    texts,
    st.text(alphabet="htps:/\\@?#[]%.1a ", max_size=20),
)

"""The guards of access: who gets in, how fast, and what a request may look like."""

from tests.ablation.table import Edit, Guard

AUTHENTICATE = "tests/access/test_authenticate.py::"
TOKENS = "tests/access/test_tokens.py::"
THROTTLE = "tests/access/test_throttle.py::"
RATES = "tests/access/test_rate_limits.py::"
TLS = "tests/access/test_tls.py::"
FRAMING = "tests/gateway/test_http_framing.py"
TWO_WAYS = (
    f"{FRAMING}::test_what_two_readers_could_read_in_two_ways_is_refused_with_all_that_follows"
)
PROTOCOL = "gateway/redemption_gateway/protocol.py"


def _guard(name: str, protects: str, file: str, old: str, new: str, *tests: str) -> Guard:
    return Guard(name, protects, (Edit(file, old, new),), tests)


ACCESS_GUARDS = (
    _guard(
        "secret",
        "nobody gets in with a key alone",
        "access/authenticate.py",
        "                if await secrets.verify(stored and stored.secret_hash, secret):\n",
        "                if stored:\n",
        AUTHENTICATE + "test_a_caller_without_a_good_credential_is_refused",
    ),
    _guard(
        "choice of organisation",
        "a credential acts for its own organisations alone",
        "access/authenticate.py",
        "        if membership.org_id == int(wanted):\n",
        "        if membership.org_id == int(wanted) or membership is memberships[-1]:\n",
        AUTHENTICATE + "test_bad_headers_are_refused",
    ),
    _guard(
        "access groups",
        "a credential may do what its groups say",
        "rpc/pipeline.py",
        "                identity.require(method.access)\n",
        "",
        AUTHENTICATE + "test_each_rpc_needs_its_access_group",
    ),
    _guard(
        "end of what is remembered",
        "a credential that is switched off stops within a minute",
        "access/remembered.py",
        "        return entry.value if entry and time.monotonic() < entry.until else None\n",
        "        return entry.value if entry else None\n",
        AUTHENTICATE
        + "test_a_credential_that_another_process_switches_off_stops_when_its_time_is_over",
    ),
    _guard(
        "signature of tokens",
        "only this service makes tokens",
        "access/tokens.py",
        '    "verify_exp": False,\n',
        '    "verify_exp": False,\n    "verify_signature": False,\n',
        "tests/gateway/test_arbitrary_tokens.py",
    ),
    _guard(
        "end of tokens",
        "a token is good until its end",
        "access/tokens.py",
        "        if remaining <= 0:\n",
        "        if remaining <= -3_600:\n",
        TOKENS + "test_a_token_is_good_until_its_end_and_not_in_it",
    ),
    _guard(
        "secret behind a token",
        "a token ends when its secret changes",
        "access/authenticate.py",
        "        if stored and not is_for(claims, stored):\n",
        "        if stored and not claims:\n",
        TOKENS + "test_a_token_ends_with_what_it_stands_for",
    ),
    _guard(
        "one credential per call",
        "whom to believe is never a guess",
        "access/presented.py",
        "    if authorization and token and authorization != token:\n",
        "    if not authorization and not token:\n",
        TOKENS + "test_two_different_credentials_are_one_too_many",
    ),
    _guard(
        "certificate last",
        "a certificate does not stand in for a wrong secret",
        "access/presented.py",
        "    if authorization or oauth_token:\n",
        "    if (authorization or oauth_token) and not origin.certificate_name():\n",
        TLS + "test_a_client_certificate_names_a_credential",
    ),
    _guard(
        "count of failures",
        "secrets are guessed slowly",
        "access/authenticate.py",
        "                await self._attempts.failed(key, address)\n",
        "                pass\n",
        THROTTLE + "test_who_was_let_in_before_stays_in_whoever_tries_the_key",
    ),
    _guard(
        "second look at failures",
        "attempts side by side count one by one",
        "access/attempts.py",
        "                    await self._throttle.check(subject)\n",
        "                    pass\n",
        THROTTLE + "test_attempts_side_by_side_are_counted_one_by_one",
    ),
    _guard(
        "trust in proxies",
        "a client does not choose its own address",
        "rpc/origin.py",
        "if forwarded and self._proxies.include(peer) else peer",
        "if forwarded else peer",
        THROTTLE + "test_a_forwarded_address_counts_only_from_a_trusted_peer",
    ),
    _guard(
        "count of unknown codes",
        "codes are guessed slowly",
        "rpc/pipeline.py",
        "                await self._gate.missed(identity, misses.count)\n",
        "                pass\n",
        THROTTLE + "test_who_guesses_coupons_is_refused_and_nobody_else_is",
    ),
    _guard(
        "rate of a credential",
        "nobody is faster than the organisation allows",
        "rpc/pipeline.py",
        "                    allowance.check()\n",
        "                    pass\n",
        RATES + "test_racing_calls_get_exactly_the_limit",
    ),
    _guard(
        "allowance of its own in each organisation",
        "one organisation's calls do not use up another's",
        "access/rate_limit.py",
        '        subject = f"{caller.org_id}/{caller.credential_key}"\n',
        "        subject = caller.credential_key\n",
        RATES + "test_each_credential_has_an_allowance_in_each_organization",
    ),
    _guard(
        "one host",
        "a request is for one host",
        PROTOCOL,
        "    return hosts == 1 or (old and not hosts)\n",
        "    return True\n",
        TWO_WAYS,
    ),
    _guard(
        "trailers are no headers",
        "what comes behind a body changes nothing before it",
        PROTOCOL,
        "        if not self._in_head:\n",
        "        if False:\n",
        FRAMING,
    ),
    _guard(
        "body after an offered upgrade",
        "a body is never read as a request",
        PROTOCOL,
        "        if framing:\n",
        "        if False:\n",
        FRAMING,
    ),
    _guard(
        "paths that are no text",
        "no caller can stop the server",
        "rpc/accepting.py",
        "        return asyncio.get_running_loop().create_task(self._accept(method))\n",
        "        return super()._make_request_call_future(method)\n",
        "tests/rpc/test_malformed_frames.py",
    ),
    _guard(
        "cancelled readers",
        "who gives up waiting takes no connection along",
        "storage/database.py",
        "        async with sqlite.ReporterConnection(self._reporters) as connection:\n",
        "        async with self._reporters.connect() as connection:\n",
        "tests/storage/test_database.py::test_readers_that_are_cancelled_leave_nothing_behind",
    ),
    _guard(
        "answers in order",
        "a broken request gets no earlier one's place",
        PROTOCOL,
        "        if before:\n",
        "        if before and not self.headers:\n",
        FRAMING,
    ),
    _guard(
        "headers that have one value",
        "a header means the same to every reader",
        "gateway/redemption_gateway/headers.py",
        "        if name in seen and name in _GIVEN_ONCE:\n",
        "        if name in seen and name not in seen:\n",
        FRAMING,
    ),
)

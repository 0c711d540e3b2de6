"""The guards. When the program says that an edit fits nowhere, bring the edit up to date."""

import re

from tests.ablation.access_guards import ACCESS_GUARDS
from tests.ablation.table import Edit, Everywhere, Guard, Pair, Table

GUARDS_TESTS = "tests/storage/test_guards.py::"
COMMITS = "tests/storage/test_commits.py::"
DATABASE = "tests/storage/test_database.py::"
CONFLICTS = "tests/rules/test_redeem_promotions_conflict.py::"
COUPON_REPEATS = "tests/rules/test_redeem_coupons_repeats.py::"
QUEUE = "tests/commit/test_queue.py::"
FIRST_SCHEMA = "storage/migrations/versions/v0001_first_schema.py"

TWINS = GUARDS_TESTS + "test_twins_in_two_servers_are_granted_once_and_get_one_answer"
COUPON_TWINS = (
    GUARDS_TESTS + "test_twins_of_a_coupon_request_in_two_servers_redeem_once_and_get_one_answer"
)
LAST_USE = GUARDS_TESTS + "test_two_servers_grant_the_last_use_of_a_limit_once"
COUNTER = GUARDS_TESTS + "test_a_counter_is_waited_for_and_shows_what_was_added_meanwhile"
KEYS_CROSSED = GUARDS_TESTS + "test_batches_with_the_same_keys_in_opposite_order_are_both_through"
COUNTERS_CROSSED = (
    GUARDS_TESTS + "test_batches_with_the_same_counters_in_opposite_order_are_both_through"
)
ISOLATION = GUARDS_TESTS + "test_the_twins_answer_is_seen_whatever_isolation_the_database_is_set_to"
READS_FIRST = (
    GUARDS_TESTS + "test_a_transaction_that_reads_first_can_write_whatever_others_try_meanwhile"
)
EVENTS_OF_TWO = GUARDS_TESTS + "test_events_of_two_servers_are_numbered_one_after_the_other"
LOST_AT_COMMIT = (
    "tests/storage/test_lost_connections.py::"
    "test_a_connection_lost_at_commit_changes_neither_answers_nor_state"
)

GUARDS = (
    Guard(
        "claim",
        "a key is decided by one transaction at a time, twins wait for it",
        (
            # Looks the keys up instead, and takes them at the end.
            Edit(
                "commit/batch.py",
                "        claimed = claims.claim(connection, org_id, keys, self.now)\n",
                "        claimed: set[RequestKey] = set()\n",
            ),
            Edit(
                "commit/batch.py",
                "        if len(facts.recorded) < len(taken):\n",
                "        if False:\n",
            ),
            Edit(
                "commit/batch.py",
                "        claims.release(connection, org_id, sorted(claimed - used_keys))\n",
                "        if used_keys:\n"
                "            claims.claim(connection, org_id, sorted(used_keys), self.now)\n",
            ),
        ),
        (COUPON_TWINS,),
        storm=True,
    ),
    Guard(
        "primary key of claims",
        "a key is taken once, whatever the code does",
        (
            Edit(
                FIRST_SCHEMA,
                '        sa.PrimaryKeyConstraint("org_id", "operation", "key"),\n'
                "        sqlite_with_rowid=False,\n",
                "",
            ),
            # Nothing is left for the statement to conflict with.
            Edit(
                "storage/claims.py",
                '_KEEP_ANSWER = (\n    "ON CONFLICT (org_id, operation, key) DO UPDATE "\n'
                '    "SET content = excluded.content, answer = excluded.answer"\n)\n',
                '_KEEP_ANSWER = ""\n',
            ),
        ),
        (
            GUARDS_TESTS + "test_a_second_row_under_a_key_is_refused_by_the_table",
            GUARDS_TESTS + "test_a_twin_in_another_server_waits_for_the_claim_and_does_not_get_it",
        ),
    ),
    Guard(
        "unique transaction identifier",
        "a transaction is recorded once, whatever the code does",
        (
            Edit(
                "storage/record_tables.py",
                '"org_id", "transaction_identifier", unique=True',
                '"org_id", "transaction_identifier"',
            ),
            Edit(
                FIRST_SCHEMA,
                '        ["org_id", "transaction_identifier"],\n        unique=True,\n',
                '        ["org_id", "transaction_identifier"],\n        unique=False,\n',
            ),
        ),
        (
            GUARDS_TESTS
            + "test_a_second_record_under_a_transaction_identifier_is_refused_by_the_table",
        ),
        storm=True,
    ),
    Guard(
        "taken keys have records",
        "nothing is granted under a key that is taken, even if its record cannot be seen",
        (
            Edit(
                "commit/batch.py",
                "        if len(facts.recorded) < len(taken):\n",
                "        if False:\n",
            ),
        ),
        (GUARDS_TESTS + "test_a_key_that_is_taken_and_has_no_record_is_not_granted",),
    ),
    Guard(
        "release of unused claims",
        "a refused request may succeed later under its key",
        (
            Edit(
                "commit/batch.py",
                "        claims.release(connection, org_id, sorted(claimed - used_keys))\n",
                "",
            ),
        ),
        (QUEUE + "test_a_key_is_released_when_nothing_on_it_was_granted",),
    ),
    Guard(
        "content of a transaction",
        "another request under a recorded identifier is a conflict, not a repeat",
        (
            Edit(
                "rules/replay.py",
                "    if not _same_customer(recorded, command, customer):\n",
                "    return None\n    if not _same_customer(recorded, command, customer):\n",
            ),
        ),
        (CONFLICTS + "test_a_conflict_names_the_first_field_that_differs",),
    ),
    Guard(
        "content of a coupon request",
        "another request under a recorded request id is a conflict, not a repeat",
        (
            Edit(
                "rules/redeem_coupons.py",
                "        if recorded.content == command.content:\n",
                "        if True:\n",
            ),
        ),
        (COUPON_REPEATS + "test_other_content_under_the_same_key_is_a_conflict",),
    ),
    Guard(
        "row lock on counters",
        "what is decided about a limit holds until it is committed",
        (
            Edit(
                "storage/usage.py",
                "_counters(matched).with_for_update(of=_usage))\n",
                "_counters(matched))\n",
            ),
        ),
        (COUNTER,),
        storm=True,
    ),
    Guard(
        "unused counters get a row",
        "a limit can be locked before its first use",
        (Edit("storage/usage.py", "    if not is_sqlite(connection):\n", "    if False:\n"),),
        (COUNTER,),
        storm=True,
    ),
    Guard(
        "rows of unused counters go again",
        "a refused request changes nothing",
        (
            Edit(
                "commit/batch.py",
                "        drop_unused(connection, org_id, created - used_counters)\n",
                "",
            ),
        ),
        (
            "tests/rules/test_redeem_promotions_limits.py::test_a_limit_per_code_refuses_a_line_without_a_code",
        ),
    ),
    Guard(
        "check: within the limit",
        "no counter exceeds the limit it is held to, whatever the code does",
        (
            Edit(
                "storage/record_tables.py",
                '        CheckConstraint("use_limit IS NULL OR used <= use_limit", '
                'name="usage_within_limit"),\n',
                "",
            ),
            Edit(
                FIRST_SCHEMA,
                '        sa.CheckConstraint("use_limit IS NULL OR used <= use_limit", '
                'name="usage_within_limit"),\n',
                "",
            ),
        ),
        (GUARDS_TESTS + "test_a_counter_out_of_its_bounds_is_refused_by_the_table",),
        storm=True,
    ),
    Guard(
        "primary key of reversed records",
        "a redemption is reversed once, whoever else reverses it at the same time",
        (
            Edit(
                "storage/migrations/versions/v0002_reversals_jobs_webhooks.py",
                '        sa.PrimaryKeyConstraint("org_id", "kind", "record_id"),\n',
                '        sa.PrimaryKeyConstraint("org_id", "kind", "record_id", "reversal_id"),\n',
            ),
        ),
        ("tests/storage/test_reversal_guards.py",),
    ),
    Guard(
        "check: not below nothing",
        "no counter sinks below nothing, whatever the code does",
        (
            Edit(
                "storage/record_tables.py",
                '        CheckConstraint("used >= 0", name="usage_not_negative"),\n',
                "",
            ),
            Edit(
                FIRST_SCHEMA,
                '        sa.CheckConstraint("used >= 0", name="usage_not_negative"),\n',
                "",
            ),
        ),
        (GUARDS_TESTS + "test_a_counter_out_of_its_bounds_is_refused_by_the_table",),
    ),
    Guard(
        "each command sees those before it",
        "commands of one batch cannot all take the last use, nor the same key",
        (Edit("commit/batch.py", "            outcome.apply(facts)\n", "            pass\n"),),
        (QUEUE + "test_two_commands_with_one_key_in_one_batch_are_granted_once",),
    ),
    Guard(
        "sorted claims",
        "batches with the same keys do not wait for each other in a circle",
        (
            Edit(
                "commit/batch.py",
                "keys = sorted({command.key for command in commands})",
                "keys = list(dict.fromkeys(command.key for command in commands))",
            ),
        ),
        (KEYS_CROSSED,),
        storm=True,
    ),
    Guard(
        "sorted counters",
        "batches with the same limits do not wait for each other in a circle",
        (
            Edit(
                "commit/batch.py",
                "counters = sorted({key for plan in plans for key in plan.counters()})",
                "counters = list(dict.fromkeys(key for plan in plans for key in plan.counters()))",
            ),
        ),
        (COUNTERS_CROSSED,),
        storm=True,
    ),
    Guard(
        "counters locked in that order",
        "the order holds whatever plan PostgreSQL chooses",
        (Edit("storage/usage.py", "        .order_by(matched.position)\n", ""),),
        (GUARDS_TESTS + "test_counters_are_locked_in_their_order_by_whatever_plan_they_are_found",),
        storm=True,
    ),
    Guard(
        "repeats",
        "a deadlock, a lost race or a locked file is not the caller's problem",
        (Edit("storage/database.py", "ATTEMPTS_MAX = 8\n", "ATTEMPTS_MAX = 1\n"),),
        (
            DATABASE + "test_work_that_must_repeat_runs_again_from_the_start",
            DATABASE + "test_a_lost_race_for_a_unique_key_is_repeated",
        ),
        storm=True,
    ),
    Guard(
        "one bad command fails alone",
        "an error that one command causes does not fail its batch",
        (
            Edit(
                "commit/queue.py",
                "            for position, one in enumerate(waiting):\n"
                "                await self._run([one], work.alone(position))\n",
                "            _answer(waiting, [_internal(maybe_recorded=False)] * len(waiting))\n",
            ),
        ),
        (QUEUE + "test_one_poisonous_command_does_not_fail_its_neighbours",),
    ),
    Guard(
        "READ COMMITTED",
        "after waiting for a claim its answer is seen, whatever the database is set to",
        (Edit("storage/postgres.py", '        isolation_level="READ COMMITTED",\n', ""),),
        (ISOLATION,),
    ),
    Guard(
        "immediate BEGIN on SQLite",
        "a transaction that reads first can still write",
        (Edit("storage/sqlite.py", '("BEGIN IMMEDIATE")', '("BEGIN")'),),
        (
            DATABASE + "test_a_transaction_holds_the_file_before_its_first_statement",
            COUNTER,
        ),
        storm=True,
    ),
    Guard(
        "organisation held shared by batches",
        "limits do not change while a batch is decided by them",
        (Edit("storage/facts.py", ".with_for_update(read=True)\n", "\n"),),
        (GUARDS_TESTS + "test_a_limit_that_is_added_during_a_batch_counts_what_the_batch_records",),
        storm=True,
    ),
    Guard(
        "organisation held alone by a catalog change",
        "changes of the catalog come one after the other",
        (
            Edit(
                "storage/catalog_apply.py",
                "select(_organization).where(_organization.c.id == organization.id)"
                ".with_for_update()",
                "select(_organization).where(_organization.c.id == organization.id)",
            ),
        ),
        (GUARDS_TESTS + "test_of_two_changes_of_the_catalog_the_second_starts_from_the_first",),
    ),
    Guard(
        "events numbered last",
        "a batch that waits keeps no other batch of its organisation waiting",
        (
            Edit(
                "commit/batch.py",
                "        facts = load_facts(connection, org_id, commands)\n",
                "        connection.exec_driver_sql(\n"
                '            f"INSERT INTO event_sequence VALUES ({org_id}, 0) ON CONFLICT '
                '(org_id) DO UPDATE SET last = event_sequence.last"\n'
                "        )\n"
                "        facts = load_facts(connection, org_id, commands)\n",
            ),
        ),
        (GUARDS_TESTS + "test_a_batch_that_waits_for_a_counter_does_not_keep_others_waiting",),
        storm=True,
    ),
    Guard(
        "events numbered under a lock",
        "two batches do not give one number to two events",
        (
            # The number after the newest one that can be seen.
            Edit(
                "storage/records.py",
                "    ((last,),) = insert_returning(\n"
                "        connection, _event_sequence, [(org_id, len(happened))], "
                '_ADD_TO_SEQUENCE, "last"\n'
                "    )\n",
                "    newest = connection.exec_driver_sql(\n"
                '        f"SELECT coalesce(max(sequence), 0) FROM event WHERE org_id = {org_id}"\n'
                "    ).scalar_one()\n"
                "    last = newest + len(happened)\n",
            ),
        ),
        (EVENTS_OF_TWO,),
        storm=True,
    ),
    Guard(
        "primary key of events",
        "no number is given twice, whatever the code does",
        (
            Edit(
                FIRST_SCHEMA,
                '        sa.PrimaryKeyConstraint("org_id", "sequence"),\n',
                '        sa.PrimaryKeyConstraint("org_id", "sequence", "record_id"),\n',
            ),
        ),
        (GUARDS_TESTS + "test_a_second_row_under_a_key_is_refused_by_the_table",),
    ),
    Guard(
        "fsync on SQLite",
        "a commit survives a power failure",
        (
            Edit(
                "storage/sqlite.py", '"PRAGMA synchronous = FULL"', '"PRAGMA synchronous = NORMAL"'
            ),
        ),
        (DATABASE + "test_a_committed_write_is_in_the_file_through_fsync",),
    ),
    Guard(
        "synchronous commit on PostgreSQL",
        "a commit survives a power failure, whatever the database is set to",
        (
            Edit(
                "storage/postgres.py",
                "IN ('off', 'local') THEN 'on' END",
                "IN ('never') THEN 'on' END",
            ),
        ),
        (COMMITS + "test_a_commit_is_durable_whatever_the_database_is_set_to",),
    ),
    Guard(
        "answer after the commit",
        "what was answered is recorded",
        (
            Edit(
                "commit/queue.py",
                "            outcomes = await self._database.transact(work)\n",
                "            loop = asyncio.get_running_loop()\n\n"
                "            def answer_at_once(connection):\n"
                "                decided = work(connection)\n"
                "                loop.call_soon_threadsafe(_answer, waiting, decided)\n"
                "                return decided\n\n"
                "            outcomes = await self._database.transact(answer_at_once)\n",
            ),
        ),
        (COMMITS + "test_a_call_whose_commit_fails_is_not_answered_as_granted",),
    ),
    Guard(
        "commit in the queue's own task",
        "a caller that hangs up takes nothing back",
        (
            Edit(
                "commit/queue.py",
                "        self._lanes.setdefault(lane, deque())"
                ".append(_Waiting(command, answered))\n"
                "        self.waiting += 1\n"
                "        self._arrived.set()\n",
                "        await self._run([_Waiting(command, answered)], "
                "Batch([command], self._clock(), self._ids))\n",
            ),
        ),
        (
            COMMITS + "test_a_caller_that_is_cancelled_during_the_commit_undoes_nothing",
            QUEUE + "test_a_caller_that_hangs_up_undoes_and_delays_nothing",
        ),
    ),
    Guard(
        "a lost commit is run again",
        "a call whose commit may have gone through is answered by what became of it",
        (
            Edit(
                "storage/database.py",
                "                maybe_recorded = True\n"
                "                failure = Failure.REPEATABLE if failure is Failure.OTHER "
                "else failure\n",
                "                raise _marked(unavailable(), maybe_recorded=True) from error\n",
            ),
        ),
        (LOST_AT_COMMIT,),
    ),
    Guard(
        "what a lost commit recorded is the call's own",
        "a call that was granted is not told that it was a repeat",
        (
            Edit(
                "commit/batch.py",
                "        if before and isinstance(outcome, Replayed) "
                "and outcome.answer.id == before.answer.id:\n",
                "        if False:\n",
            ),
        ),
        (LOST_AT_COMMIT,),
    ),
    Guard(
        "readers cannot write",
        "the writer is the only one that changes the file",
        (Edit("storage/sqlite.py", '"PRAGMA query_only = ON"', '"PRAGMA query_only = OFF"'),),
        (DATABASE + "test_a_reader_cannot_write",),
    ),
)

PAIRS = (
    Pair("claim", "unique transaction identifier", (TWINS,), storm=True),
    Pair("row lock on counters", "check: within the limit", (LAST_USE,), storm=True),
    Pair("unused counters get a row", "check: within the limit", (LAST_USE,)),
    Pair("sorted claims", "repeats", (KEYS_CROSSED,)),
    Pair("sorted counters", "repeats", (COUNTERS_CROSSED,)),
    Pair("READ COMMITTED", "repeats", (ISOLATION,)),
    Pair("immediate BEGIN on SQLite", "repeats", (READS_FIRST,)),
    Pair("events numbered under a lock", "primary key of events", (EVENTS_OF_TWO,)),
)

EVERYWHERE = (
    Everywhere(
        "organisation in every statement",
        "nothing is reachable across organisations, whatever ids they have",
        "storage",
        re.compile(
            r"([\w.]+\.org_id|_organization\.c\.id) == "
            r'(?:(?:_membership\.c\.|self\.(?:job\.)?)?org_id\b|bindparam\("org_id"\))'
        ),
        r"\1 == \1",
        # The quickest first; most places are noticed by them.
        (
            "tests/storage/test_organizations.py",
            "tests/storage/test_organizations_later.py",
            "tests/storage/test_organizations_reversals.py",
            "tests/access/test_organizations_apart_both.py",
            "tests/access/test_organizations_apart.py",
        ),
    ),
)

TABLE = Table((*GUARDS, *ACCESS_GUARDS), PAIRS, EVERYWHERE)

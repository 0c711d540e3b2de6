"""The composition root: the one place that knows the clock, the ids and the concrete classes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import structlog

from redemption_server.access.authenticate import Authenticator
from redemption_server.access.gate import Gate
from redemption_server.access.origin import TrustedProxies
from redemption_server.access.rate_limit import RateLimiter
from redemption_server.access.seal import Seal
from redemption_server.access.token_keys import TokenKeys, TokenKeysError
from redemption_server.access.tokens import Tokens
from redemption_server.access.windows import LocalWindows, SharedWindows
from redemption_server.bulk.jobs import JobRunner
from redemption_server.commit.pruner import Pruner
from redemption_server.commit.queue import CommitQueue
from redemption_server.feed.feed import Feed
from redemption_server.ids import TimeOrderedIds
from redemption_server.prepare import (
    StartError,
    apply_catalog_files,
    open_prepared_database,
    seal_of,
)
from redemption_server.rpc.catalog_service import CatalogService
from redemption_server.rpc.coupon_redemption_service import CouponRedemptionService
from redemption_server.rpc.coupon_service import CouponService
from redemption_server.rpc.feed_service import FeedService
from redemption_server.rpc.ledger_service import LedgerService
from redemption_server.rpc.outcome_service import OutcomeService
from redemption_server.rpc.pipeline import Method, Pipeline, StreamMethod
from redemption_server.rpc.promotion_redemption_service import PromotionRedemptionService
from redemption_server.rpc.reversal_service import ReversalService
from redemption_server.rpc.server import GrpcServer
from redemption_server.rpc.tls import TlsFiles, TlsFilesError, server_credentials
from redemption_server.rpc.token_service import TokenService
from redemption_server.rules.commands import Clock
from redemption_server.settings import Settings
from redemption_server.storage.availability import watched
from redemption_server.storage.database import Database
from redemption_server.webhooks.delivery import Surroundings
from redemption_server.webhooks.posting import Poster
from redemption_server.webhooks.sender import WebhookSender, holder_name

_POSTGRES_WRITERS = 3
_RATE_LIMITED_CREDENTIALS_MAX = 100_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers calls; `queue` is there to be looked at.

    `pipeline` and `methods` are for another door in the same process. `leave` has health checks say
    that it takes no more calls, while it still answers.
    """

    port: int
    queue: CommitQueue
    pipeline: Pipeline
    methods: Sequence[Method | StreamMethod]
    is_serving: Callable[[], bool]
    leave: Callable[[], Awaitable[None]]


def system_clock() -> datetime:
    """The present instant, cut to whole milliseconds, which is what is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1_000 * 1_000)


@asynccontextmanager
async def running_server(
    settings: Settings, catalog_files: Sequence[Path], clock: Clock = system_clock
) -> AsyncIterator[RunningServer]:
    """A gRPC server that answers until the block is left, then drains.

    Stops in this order: health says NOT_SERVING, new calls are refused, waiting calls are
    answered, the database is closed. Raises StartError, PortTakenError.
    """
    credentials = _server_credentials(settings)
    tokens = Tokens(_token_keys(settings), clock, settings.token_ttl_seconds)
    async with (
        open_prepared_database(settings) as opened,
        watched(opened) as database,
        _rate_limiter(settings) as rate_limiter,
    ):
        seal = seal_of(settings)
        await apply_catalog_files(database, catalog_files, seal)
        ids = TimeOrderedIds()
        writers = 1 if database.mixes_organizations else _POSTGRES_WRITERS
        queue = CommitQueue(
            database,
            clock,
            ids,
            writers=writers,
            waiting_max=settings.waiting_calls_max,
        )
        feed = Feed(database)
        jobs = JobRunner(database, clock)
        pruner = Pruner(
            database,
            clock,
            _days(settings.event_retention_days),
            _days(settings.answer_retention_days),
        )
        queue.on_commit(feed.committed)
        sender = _webhook_sender(settings, database, queue, seal, clock)
        if sender:
            queue.on_commit(sender.committed)
        authenticator = Authenticator(database, tokens)
        services = (
            PromotionRedemptionService(queue, database, clock),
            CouponRedemptionService(queue, database, clock, ids),
            ReversalService(queue),
            FeedService(feed),
            CouponService(database, jobs, clock),
            OutcomeService(database),
            CatalogService(database, authenticator, seal),
            LedgerService(database),
            TokenService(authenticator, tokens),
        )
        methods: list[Method | StreamMethod] = [m for s in services for m in s.methods()]
        gate = Gate(authenticator, rate_limiter, settings.unknown_codes_per_minute)
        pipeline = Pipeline(gate)
        server = GrpcServer(
            pipeline,
            methods,
            TrustedProxies(settings.trusted_proxies),
            reuse_port=settings.grpc_reuse_port,
        )
        async with AsyncExitStack() as running:
            # What is entered first ends last.
            running.callback(_log_end, queue, database)
            running.push_async_callback(queue.close)
            running.push_async_callback(jobs.close)
            running.push_async_callback(pruner.close)
            if sender:
                running.push_async_callback(sender.close)
            port = await server.start(settings.grpc_address, credentials)
            running.push_async_callback(server.stop)
            running.callback(feed.close)
            jobs.start()
            pruner.start()
            if sender:
                sender.start()

            async def changed(up: bool) -> None:  # noqa: FBT001 — what the watch tells
                if not up:
                    queue.give_up_waiting()
                await server.set_serving(serving=up)

            database.on_change(changed)
            tls = credentials is not None
            _log.info("gRPC server listens", address=settings.grpc_address, port=port, tls=tls)
            yield RunningServer(
                port, queue, pipeline, methods, lambda: server.serving, server.leave
            )


def _log_end(queue: CommitQueue, database: Database) -> None:
    statistics = queue.statistics
    _log.info(
        "stopped",
        calls=statistics.commands,
        batches=statistics.batches,
        split=statistics.split,
        repeats=dict(database.repeats),
    )


def _days(days: int | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)


def _webhook_sender(
    settings: Settings, database: Database, queue: CommitQueue, seal: Seal | None, clock: Clock
) -> WebhookSender | None:
    if seal is None:
        return None
    return WebhookSender(
        Surroundings(
            database,
            Poster(settings.webhook_private_addresses),
            seal,
            clock,
            holder_name(),
            timedelta(seconds=settings.webhook_patience_seconds),
            lambda: queue.is_busy,
        )
    )


def _server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if not (settings.tls_cert and settings.tls_key):
        return None
    try:
        return server_credentials(
            TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        )
    except TlsFilesError as error:
        raise StartError(str(error)) from error


def _token_keys(settings: Settings) -> TokenKeys:
    try:
        return TokenKeys(settings.token_keys)
    except TokenKeysError as error:
        raise StartError(f"cannot read the token keys: {error}") from error


@asynccontextmanager
async def _rate_limiter(settings: Settings) -> AsyncIterator[RateLimiter]:
    storage = settings.rate_limit_storage
    windows = (
        SharedWindows(storage.get_secret_value())
        if storage
        else LocalWindows(_RATE_LIMITED_CREDENTIALS_MAX)
    )
    try:
        yield RateLimiter(windows, fail_open=settings.rate_limit_when_away == "allow")
    finally:
        await windows.close()

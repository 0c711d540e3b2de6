"""The obvious build: FastAPI, an ORM session and one commit for each request.

    python -m benchmarks.peer.app URL

Written and tuned as its users would: uvloop and httptools, a write-ahead log, a lock taken at the
beginning of a transaction on SQLite, rows locked only where a limit needs it on PostgreSQL. It does
less than ours: one credential, one organisation, a limit per promotion, no events.
"""

import json
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.peer.models import (
    Customer,
    Promotion,
    RedeemedPromotions,
    RedeemedUse,
    RedeemPromotions,
    Redemption,
    Transaction,
)

KEY, SECRET = "key", "secret"
CUSTOMER = 501
PROMOTIONS = 100
_POSTGRES_CONNECTIONS = 20


def make_engine(url: str) -> AsyncEngine:
    """An engine whose commits are durable."""
    if not url.startswith("sqlite"):
        return create_async_engine(url, pool_size=_POSTGRES_CONNECTIONS, max_overflow=0)
    # One connection: SQLite has one writer, and who waits for it elsewhere sleeps too long.
    engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=60)

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


async def furnish(engine: AsyncEngine) -> None:
    """Makes the tables, promotions without limits and one with one, and a customer."""
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)

    def promotion(name: str, limit: int | None = None) -> Promotion:
        starts_at, ends_at = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2099))
        return Promotion(
            id=name, name=name, starts_at=starts_at, ends_at=ends_at, redemptions_total=limit
        )

    async with AsyncSession(engine) as session:
        if await session.get(Customer, CUSTOMER):
            return
        session.add(Customer(id=CUSTOMER, mobile="919812345678"))
        for number in range(PROMOTIONS):
            session.add(promotion(f"p{number}"))
        session.add(promotion("limited", 10**9))
        await session.commit()


def make_app(url: str) -> FastAPI:
    """The application."""
    engine = make_engine(url)
    sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await furnish(engine)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    basic = HTTPBasic()

    def authenticated(sent: Annotated[HTTPBasicCredentials, Depends(basic)]) -> None:
        right = secrets.compare_digest(sent.username, KEY)
        if not (right and secrets.compare_digest(sent.password, SECRET)):
            raise HTTPException(401)

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    @app.post("/api_gateway/v1/promotions/redemptions", dependencies=[Depends(authenticated)])
    async def redeem(
        request: RedeemPromotions, session: Annotated[AsyncSession, Depends(get_session)]
    ) -> RedeemedPromotions:
        if recorded := await _find(session, request.transaction_identifier):
            return _shown(recorded)
        if await session.get(Customer, request.customer_id) is None:
            raise HTTPException(400, "unknown customer")
        try:
            transaction = await _redeem(session, request)
            await session.commit()
        except IntegrityError:
            # Somebody was faster.
            await session.rollback()
            found = await _find(session, request.transaction_identifier)
            assert found
            return _shown(found)
        return _shown(transaction)

    return app


async def _find(session: AsyncSession, identifier: str) -> Transaction | None:
    found = await session.exec(
        select(Transaction).where(Transaction.transaction_identifier == identifier)
    )
    return found.first()


async def _redeem(session: AsyncSession, request: RedeemPromotions) -> Transaction:
    at = datetime.fromtimestamp(request.transaction_date / 1_000, UTC)
    transaction = Transaction(
        transaction_identifier=request.transaction_identifier,
        transaction_number=request.transaction_number,
        transaction_date=at,
        amount=request.amount,
        customer_id=request.customer_id,
        redemptions=[],
    )
    for use in request.redemptions:
        promotion = await session.get(Promotion, use.promotion_id)
        if promotion is None or not promotion.active:
            raise HTTPException(400, "unknown promotion")
        starts_at, ends_at = (_aware(promotion.starts_at), _aware(promotion.ends_at))
        if not starts_at <= at < ends_at:
            raise HTTPException(400, "not now")
        if promotion.redemptions_total is not None:
            await session.refresh(promotion, with_for_update=True)
            if promotion.used + use.redemption_count > promotion.redemptions_total:
                raise HTTPException(400, "limit reached")
            promotion.used += use.redemption_count
        transaction.redemptions.append(Redemption(**use.model_dump()))
    session.add(transaction)
    return transaction


def _aware(moment: datetime) -> datetime:
    # SQLite keeps no time zone.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shown(transaction: Transaction) -> RedeemedPromotions:
    return RedeemedPromotions(
        id=str(transaction.id),
        customer_id=transaction.customer_id,
        transaction_identifier=transaction.transaction_identifier,
        transaction_number=transaction.transaction_number,
        transaction_date=int(_aware(transaction.transaction_date).timestamp() * 1_000),
        amount=transaction.amount,
        redemptions=[
            RedeemedUse(
                id=str(one.id),
                promotion_id=one.promotion_id,
                redemption_count=one.redemption_count,
                discount=one.discount,
                discount_applied_on_quantity=one.discount_applied_on_quantity,
                promotion_applied_on_quantity=one.promotion_applied_on_quantity,
            )
            for one in transaction.redemptions
        ],
    )


def main(url: str) -> None:
    """Serves on a free port, which it tells in a line of JSON, until it is killed."""
    listener = socket.create_server(("127.0.0.1", 0))
    told = {"event": "listens", "port": listener.getsockname()[1]}
    sys.stderr.write(json.dumps(told) + "\n")
    config = uvicorn.Config(
        make_app(url), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])

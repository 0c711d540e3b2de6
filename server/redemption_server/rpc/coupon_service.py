"""`redemption.v1.CouponService`."""

from collections.abc import AsyncGenerator

from google.protobuf.field_mask_pb2 import FieldMask
from redemption.v1 import catalog_pb2, coupon_service_pb2

from redemption_server.access.audit import audit
from redemption_server.access.identity import Access
from redemption_server.bulk.csv_files import Row
from redemption_server.bulk.exporting import PAGE
from redemption_server.bulk.generating import LENGTH_DEFAULT, CodeFormat
from redemption_server.bulk.importing import Import
from redemption_server.bulk.jobs import JobRunner
from redemption_server.bulk.kinds import COUPONS
from redemption_server.catalog.check import check_coupon_series
from redemption_server.rpc.decode_coupons import decode_request_id
from redemption_server.rpc.encode_coupon_details import encode_coupon_details
from redemption_server.rpc.pipeline import Call, Method, StreamMethod
from redemption_server.rpc.shape import Shape
from redemption_server.rules.commands import Clock
from redemption_server.rules.normal import fold
from redemption_server.rules.refusals import Refused
from redemption_server.storage.bulk import load_page, require_target
from redemption_server.storage.catalog_messages import coupon_message
from redemption_server.storage.coupon_series import CreateSeries, UpdateSeries, load_series
from redemption_server.storage.coupons import IssueCoupon, RevokeCoupon, load_coupon
from redemption_server.storage.database import Database
from redemption_server.storage.issued_codes import issued_code
from redemption_server.storage.jobs import BeginJob, Job, load_job

SERVICE = "redemption.v1.CouponService"
IMPORT_MAX = 5_000
_pb = coupon_service_pb2


class CouponService:
    """Maintains coupons and their series."""

    def __init__(self, database: Database, jobs: JobRunner, clock: Clock) -> None:
        self._database = database
        self._jobs = jobs
        self._clock = clock

    def methods(self) -> list[Method | StreamMethod]:
        """The RPCs of the service."""
        admin, default = Access.ADMIN, Access.DEFAULT
        return [
            Method(f"/{SERVICE}/CreateCouponSeries", admin, self.create_series),
            Method(f"/{SERVICE}/UpdateCouponSeries", admin, self.update_series),
            Method(f"/{SERVICE}/GetCouponSeries", default, self.get_series),
            Method(f"/{SERVICE}/GenerateCoupons", admin, self.generate),
            Method(f"/{SERVICE}/GetCouponJob", default, self.get_job),
            Method(f"/{SERVICE}/ImportCoupons", admin, self.import_coupons),
            StreamMethod(f"/{SERVICE}/ExportCoupons", admin, self.export),
            Method(f"/{SERVICE}/IssueCoupon", admin, self.issue),
            Method(f"/{SERVICE}/RevokeCoupon", admin, self.revoke),
            Method(f"/{SERVICE}/GetCoupon", default, self.get_coupon),
        ]

    async def create_series(
        self, request: _pb.CreateCouponSeriesRequest, call: Call
    ) -> _pb.CreateCouponSeriesResponse:
        """See the proto."""
        series = _checked(request.series)
        org_id = call.identity.caller.org_id
        stored = await self._database.transact(CreateSeries(org_id, series))
        _audit("coupon series created", call, series_id=series.id)
        return _pb.CreateCouponSeriesResponse(series=stored)

    async def update_series(
        self, request: _pb.UpdateCouponSeriesRequest, call: Call
    ) -> _pb.UpdateCouponSeriesResponse:
        """See the proto."""
        _check_mask(request.update_mask)

        def change(stored: catalog_pb2.CouponSeries) -> catalog_pb2.CouponSeries:
            if not request.update_mask.paths:
                return _checked(request.series)
            # Merging never clears what is not set in the source.
            for path in request.update_mask.paths:
                stored.ClearField(path)
            request.update_mask.MergeMessage(request.series, stored)
            return _checked(stored)

        org_id = call.identity.caller.org_id
        stored = await self._database.transact(UpdateSeries(org_id, request.series.id, change))
        _audit("coupon series changed", call, series_id=request.series.id)
        return _pb.UpdateCouponSeriesResponse(series=stored)

    async def get_series(
        self, request: _pb.GetCouponSeriesRequest, call: Call
    ) -> _pb.GetCouponSeriesResponse:
        """See the proto."""
        series = await self._database.read(
            load_series, call.identity.caller.org_id, request.series_id
        )
        return _pb.GetCouponSeriesResponse(series=series)

    async def generate(
        self, request: _pb.GenerateCouponsRequest, call: Call
    ) -> _pb.GenerateCouponsResponse:
        """See the proto."""
        shape = Shape()
        look = CodeFormat(request.length or LENGTH_DEFAULT, request.prefix, request.suffix)
        for violation in look.check(request.count):
            shape.add(violation)
        key = decode_request_id(request.request_id, shape)
        shape.check()
        spec = {
            "series_id": request.series_id,
            "length": look.length,
            "prefix": look.prefix,
            "suffix": look.suffix,
        }
        begin = BeginJob(call.identity.caller.org_id, key, spec, request.count, self._clock())
        job = await self._database.transact(begin)
        self._jobs.begun()
        _audit("coupons generated", call, series_id=request.series_id, count=request.count)
        return _pb.GenerateCouponsResponse(job=_encode_job(job))

    async def get_job(
        self, request: _pb.GetCouponJobRequest, call: Call
    ) -> _pb.GetCouponJobResponse:
        """See the proto."""
        shape = Shape()
        decode_request_id(request.job_id, shape, "job_id")
        shape.check()
        job = await self._database.read(load_job, call.identity.caller.org_id, request.job_id)
        return _pb.GetCouponJobResponse(job=_encode_job(job))

    async def import_coupons(
        self, request: _pb.ImportCouponsRequest, call: Call
    ) -> _pb.ImportCouponsResponse:
        """See the proto."""
        shape = Shape()
        if not 1 <= len(request.coupons) <= IMPORT_MAX:
            shape.fail("coupons", f"must be 1 to {IMPORT_MAX}")
        shape.check()
        membership = call.identity.membership
        await self._database.read(
            require_target, membership.org_id, COUPONS.name, request.series_id
        )
        importing = Import(
            self._database,
            COUPONS,
            membership.org_id,
            membership.region,
            request.series_id,
            request.replace,
            request.skip_bad,
        )
        progress = await importing.add([Row(i, c) for i, c in enumerate(request.coupons)])
        _audit("coupons imported", call, series_id=request.series_id, count=progress.added)
        return _pb.ImportCouponsResponse(
            imported=progress.added,
            kept=progress.kept,
            bad_coupons=[
                _pb.BadCoupon(position=bad.line, description=bad.problem) for bad in progress.bad
            ],
        )

    async def export(
        self, request: _pb.ExportCouponsRequest, call: Call
    ) -> AsyncGenerator[_pb.ExportCouponsResponse, None]:
        """See the proto."""
        org_id, after = call.identity.caller.org_id, fold(request.after_code)
        await self._database.read(require_target, org_id, COUPONS.name, request.series_id)
        _audit("coupons exported", call, series_id=request.series_id)
        while True:
            rows = await self._database.read(
                load_page, org_id, COUPONS.name, request.series_id, after, PAGE
            )
            if not rows:
                return
            after = rows[-1].code_key
            yield _pb.ExportCouponsResponse(
                coupons=[coupon_message(row, with_validation_code=True) for row in rows]
            )

    async def issue(self, request: _pb.IssueCouponRequest, call: Call) -> _pb.IssueCouponResponse:
        """See the proto."""
        shape = Shape()
        org_id, code, series_id = call.identity.caller.org_id, request.code, None
        if request.WhichOneof("coupon") == "series_id":
            series_id = request.series_id
            decode_request_id(request.request_id, shape)
        else:
            shape.text("code", request.code, required=True)
        if request.customer_id <= 0:
            shape.fail("customer_id", "must be a positive integer")
        shape.check()
        if series_id is not None:
            code = await self._database.read(issued_code, org_id, series_id, request.request_id)
        work = IssueCoupon(org_id, code, series_id, request.customer_id, self._clock())
        coupon = await self._database.transact(work)
        _audit("coupon issued", call, customer_id=request.customer_id)
        return _pb.IssueCouponResponse(coupon=coupon)

    async def revoke(
        self, request: _pb.RevokeCouponRequest, call: Call
    ) -> _pb.RevokeCouponResponse:
        """See the proto."""
        shape = Shape()
        shape.text("code", request.code, required=True)
        shape.check()
        org_id = call.identity.caller.org_id
        coupon = await self._database.transact(RevokeCoupon(org_id, request.code))
        _audit("coupon revoked", call)
        return _pb.RevokeCouponResponse(coupon=coupon)

    async def get_coupon(self, request: _pb.GetCouponRequest, call: Call) -> _pb.GetCouponResponse:
        """See the proto."""
        shape = Shape()
        shape.text("code", request.code, required=True)
        shape.check()
        details = await self._database.read(load_coupon, call.identity.caller.org_id, request.code)
        return encode_coupon_details(details, self._clock())


def _checked(series: catalog_pb2.CouponSeries) -> catalog_pb2.CouponSeries:
    violations = check_coupon_series(series)
    if violations:
        raise Refused(violations)
    return series


def _check_mask(mask: FieldMask) -> None:
    shape = Shape()
    known = set(catalog_pb2.CouponSeries.DESCRIPTOR.fields_by_name) - {"id", "coupons"}
    for i, path in enumerate(mask.paths):
        if path not in known:
            shape.fail(f"update_mask.paths[{i}]", "names no field that can be changed")
    shape.check()


def _encode_job(job: Job) -> _pb.CouponJob:
    return _pb.CouponJob(
        job_id=job.id,
        series_id=job.spec["series_id"],
        count=job.total,
        done=job.done,
        state=_pb.COUPON_JOB_STATE_DONE if job.is_done else _pb.COUPON_JOB_STATE_RUNNING,
    )


def _audit(event: str, call: Call, **what: object) -> None:
    caller = call.identity.caller
    audit(event, by=caller.credential_key, org_id=caller.org_id, **what)

"""Makes up codes: random, free of look-alikes, and none of them twice."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from redemption_server.bulk.kinds import PROMOTION_CODES, Kind, promotion_code_id
from redemption_server.rules.refusals import Refused, Violation, field_invalid
from redemption_server.storage.bulk import AddCodes
from redemption_server.storage.database import Database
from redemption_server.storage.issued_codes import ALPHABET

LENGTH_DEFAULT = 12
LENGTH_MAX = 64
AFFIX_LENGTH_MAX = 50
COUNT_MAX = 100_000_000
CHUNK = 1_000
# So many codes must there be for each that is made: guessing one that exists is then hopeless.
_SPARSENESS = 1_000_000


@dataclass(frozen=True, slots=True)
class CodeFormat:
    """What codes look like: `prefix`, then `length` random characters, then `suffix`."""

    length: int = LENGTH_DEFAULT
    prefix: str = ""
    suffix: str = ""

    def check(self, count: int) -> list[Violation]:
        """Everything that is wrong with the format for so many codes."""
        violations = []
        if not 1 <= count <= COUNT_MAX:
            violations.append(field_invalid("count", f"must be 1 to {COUNT_MAX}"))
        if not 1 <= self.length <= LENGTH_MAX:
            violations.append(field_invalid("length", f"must be 1 to {LENGTH_MAX}"))
        elif len(ALPHABET) ** self.length < count * _SPARSENESS:
            violations.append(field_invalid("length", f"is too short for {count} codes"))
        for name, text in (("prefix", self.prefix), ("suffix", self.suffix)):
            # The only white space that is printable is the blank.
            odd = not text.isprintable() or " " in text or "," in text
            if len(text) > AFFIX_LENGTH_MAX or odd:
                problem = (
                    f"must be at most {AFFIX_LENGTH_MAX} printable characters without white space "
                    "or comma"
                )
                violations.append(field_invalid(name, problem))
        return violations

    def code(self) -> str:
        """A code."""
        chosen = (secrets.choice(ALPHABET) for _ in range(self.length))
        return f"{self.prefix}{''.join(chosen)}{self.suffix}"


@dataclass(frozen=True, slots=True)
class Generation:
    """Codes to make up for a series or promotion."""

    database: Database
    kind: Kind
    org_id: int
    target_id: int | str
    format: CodeFormat

    async def run(self, count: int) -> AsyncIterator[list[str]]:
        """Makes `count` codes, chunk by chunk; gives those of each once they are durable.

        Raises Refused.
        """
        violations = self.format.check(count)
        if violations:
            raise Refused(violations)
        left = count
        while left:
            codes = self.draw(min(CHUNK, left))
            # A code that is taken is as rare as a guess that hits; then the chunk is drawn anew.
            if await self.database.transact(self.work(codes)) == len(codes):
                left -= len(codes)
                yield codes

    def draw(self, count: int) -> list[str]:
        """So many different codes."""
        codes: set[str] = set()
        while len(codes) < count:
            codes.add(self.format.code())
        return sorted(codes)

    def work(self, codes: list[str]) -> AddCodes:
        """The work of adding codes, all or none."""
        messages = [self.kind.message() for _ in codes]
        for message, code in zip(messages, codes, strict=True):
            message.code = code
            if self.kind is PROMOTION_CODES:
                message.id = promotion_code_id(code)
        placed = self.kind.place(self.org_id, "", self.target_id, messages)
        return AddCodes(self.kind.name, placed)

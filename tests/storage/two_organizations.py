"""What two organisations have in common whose ids are all the same."""

KEY = "shared"
SECRET_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4"
    "$lKyLv0qDbAvL/CuQT5j65w$6Pcv+Gc7pvvzdOj9Io6LF++odHj6BZhUepyAVSuQYU0"
)


class CountingIds:
    """Record ids from 1 on, the same for everybody, and numbers behind one that is given."""

    def __init__(self, first_number: int) -> None:
        self._first_number = first_number
        self._count = 0

    def number(self) -> int:
        self._count += 1
        return self._first_number + self._count

    def record_id(self) -> str:
        self._count += 1
        return f"{self._count:024x}"

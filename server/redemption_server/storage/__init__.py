"""Tables, transactions and set-based statements, alike for SQLite and PostgreSQL.

Rules of this room: `Database` is the one place that opens transactions. A table row never leaves:
loads return the values of `rules`, writes take them. Every statement is bound to one organisation
(`org_id = …`); what differs between the engines is in `dialect`.
"""

"""The HTTP door: the documented legacy JSON paths, translated to RPCs.

Rules of this room: it knows the contract (descriptors and reasons), never the server's code. One
codec per documented surface, one table for status codes, nothing decided here.

A call travels `server` → `app` (route, credential, body) → one codec → `caller` → codec → out.
"""

"""The interfaces of other rate limiters, on the Rust engine.

`sluicegate.slowapi` and `sluicegate.fastapi_limiter` are their public names: import those.
"""

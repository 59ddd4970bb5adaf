//! A rate limiter with exact books: several limits in one decision, estimates that are settled, bounded memory.

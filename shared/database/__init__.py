"""SQLite or PostgreSQL behind peewee, safe under gevent and among several processes."""

"""An application with psycopg 3, for measuring what changes cost it. README.md says how such a program is started,
told and asked. Clients that keep their connection have it from psycopg_pool."""

import json
import os
import random
import sys
import threading
import time

import psycopg
from psycopg_pool import ConnectionPool

way, count = sys.argv[1], int(sys.argv[2])
kind = f"psycopg {way}"
totals = dict(done=0, failed=0, refused=0, unconnected=0, opened=0, relogins=0)
errors = []
passwords = [os.environ.pop("PGPASSWORD")]
lock = threading.Lock()
stopping = threading.Event()


def add(name):
    with lock:
        totals[name] += 1


def tell():
    with lock:
        print(json.dumps({**totals, "errors": errors}), flush=True)


class Connection(psycopg.Connection):
    """With the other password where one is refused, as an application does that reads its Secret again."""

    @classmethod
    def connect(cls, conninfo="", **kwargs):
        end = time.monotonic() + 10
        while True:
            password = passwords[0]
            try:
                # A statement is prepared when it is first used.
                connection = super().connect(
                    conninfo, password=password, connect_timeout=10, prepare_threshold=0, **kwargs
                )
                add("opened")
                return connection
            except psycopg.OperationalError as error:
                if "authentication failed" not in str(error) or time.monotonic() > end:
                    raise
            add("relogins")
            with lock:
                if passwords[0] == password:
                    passwords.reverse()
            time.sleep(0.05)


def transact(connection, worker, n):
    """One transaction with prepared statements. Raises what the driver raises, after counting it."""
    begun = False
    try:
        with connection.transaction():
            begun = True
            connection.execute(
                "INSERT INTO done (kind, worker, n) VALUES (%s, %s, %s)", (kind, worker, n)
            )
            connection.execute("SELECT %s::int + 1 AS next", (n,))
        add("done")
    except psycopg.Error:
        add("failed" if begun else "refused")
        raise


def hold(pool, worker, n):
    # A pool that could not get a connection in time says so here.
    try:
        connection = pool.getconn(timeout=10)
    except psycopg.Error:
        add("unconnected")
        raise
    try:
        transact(connection, worker, n)
    finally:
        pool.putconn(connection)


def reconnect(worker, n):
    try:
        connection = Connection.connect()
    except psycopg.Error:
        add("unconnected")
        raise
    with connection:
        transact(connection, worker, n)


def work(pool, worker):
    n = 0
    while not stopping.is_set():
        try:
            if pool is None:
                reconnect(worker, n)
            else:
                hold(pool, worker, n)
        except psycopg.Error as error:
            with lock:
                if len(errors) < 20:
                    errors.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")
        n += 1
        time.sleep(0.02 + random.random() * 0.38)


pool = None
if way != "reconnect":
    pool = ConnectionPool(
        connection_class=Connection,
        min_size=count,
        max_size=count,
        # By itself it asks none.
        check=ConnectionPool.check_connection if way == "hold" else None,
    )
workers = [threading.Thread(target=work, args=(pool, index), daemon=True) for index in range(count)]
for worker in workers:
    worker.start()
for line in sys.stdin:
    word, _, value = line.strip().partition(" ")
    if word == "password":
        passwords.append(value)
    elif word == "report":
        tell()
    elif word == "stop":
        break
stopping.set()
for worker in workers:
    worker.join()
tell()
if pool is not None:
    pool.close()

"""A service beside Redis: it starts without it, says so, answers the same, and finds it again by itself."""

from pathlib import Path

from web_http_world import install, serving, wait_until

from lookup import redis_servers


def test_redis_missing_at_start_or_killed_later_takes_nobody_out_of_service(tmp_path: Path) -> None:
    made = install(tmp_path, count=2)
    with redis_servers.server("valkey") as redis:
        redis.kill()
        with serving(made, redis_url=redis.url) as server, server.client() as client:

            def told(state: str) -> bool:
                ready = client.get("/readyz")
                answer = client.get(f"/api/v1/certificates/{made.numbers[0]}").json()
                assert ready.status_code == 200 and ready.json()["ready"] is True
                assert answer["verdict"] == "valid"
                return bool(ready.json()["checks"]["redis"] == state)

            assert told("degraded")
            redis.start()
            wait_until(lambda: told("passed"))
            redis.kill()
            wait_until(lambda: told("degraded"))
            redis.start()
            wait_until(lambda: told("passed"))
            assert "Traceback" not in server.log.read_text()


def test_without_the_setting_readiness_does_not_speak_of_redis(tmp_path: Path) -> None:
    with serving(install(tmp_path, count=1)) as server, server.client() as client:
        assert "redis" not in client.get("/readyz").json()["checks"]

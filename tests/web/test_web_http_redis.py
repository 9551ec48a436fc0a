"""A service beside Redis: it starts without it, says so, answers the same, and finds it again by itself."""

from pathlib import Path

from test_web_challenge import solve
from web_http_world import Server, install, serving, wait_until

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


def test_one_solved_challenge_opens_one_look_up_on_two_nodes(tmp_path: Path) -> None:
    made = install(tmp_path, count=1, budget_per_source="2")
    path = f"/api/v1/certificates/{made.numbers[0]}"
    with (
        redis_servers.server("valkey") as redis,
        serving(made) as alone,
        serving(made) as lonely,
        serving(made, redis_url=redis.url) as one,
        serving(made, redis_url=redis.url) as two,
    ):
        for nodes, passes in (((one, two), 1), ((alone, lonely), 2)):
            wait_until(lambda nodes=nodes: all(is_ready(node) for node in nodes))
            clients = [node.client() for node in nodes]
            for client in clients:
                wait_until(lambda client=client: client.get(path).status_code == 429)
            paid = {"verify-challenge-solution": solve(clients[0].get(path).json()["challenge"])}
            seen = [client.get(path, headers=paid).status_code for client in clients for _ in range(2)]
            assert sorted(seen) == [200] * passes + [429] * (4 - passes), seen
            for client in clients:
                client.close()


def is_ready(server: Server) -> bool:
    with server.client() as client:
        return client.get("/readyz").json()["checks"].get("redis", "passed") == "passed"

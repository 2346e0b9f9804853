"""The hub's configuration, from the settings of the classroom in the folder that COURSE_CLASSROOM_FOLDER names."""

import os
import shutil
import sys
from pathlib import Path

from classroom import room, settings

c = get_config()  # noqa: F821  JupyterHub's own

here = settings.load(Path(os.environ["COURSE_CLASSROOM_FOLDER"]))
ROOT = str(settings.ROOT)

c.JupyterHub.bind_url = f"http://{here.listen}:{here.port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{here.hub_port}"
c.JupyterHub.db_url = f"sqlite:///{here.path('hub.sqlite')}"
c.JupyterHub.cookie_secret_file = str(here.path("cookie_secret"))
c.JupyterHub.log_level = "WARN"
c.JupyterHub.template_vars = {
    "announcement": "Your instructor sees which exercises you tried and passed, how many answers were wrong, the hints "
    "you read and when you last moved, and can open your server to help you. Other learners see nothing of yours."
}

# A hub that stops, or is killed, takes neither the proxy nor the learners' servers with it.
c.JupyterHub.cleanup_servers = here.trial
c.JupyterHub.last_activity_interval = 30  # so often the hub tells a proxy that was restarted who is where
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{here.proxy_port}"
c.ConfigurableHTTPProxy.auth_token = here.proxy_token

c.JupyterHub.authenticator_class = room.RoomAuthenticator
c.RoomAuthenticator.room_password = here.room_password
c.RoomAuthenticator.dbm_path = str(here.path("passwords.dbm"))
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {here.instructor}
c.Authenticator.request_otp = True
c.Authenticator.otp_prompt = "The room's password (the first time only):"

if here.trial:
    c.JupyterHub.spawner_class = room.TrySpawner
    c.SimpleLocalProcessSpawner.home_dir_template = str(here.path("homes")) + "/{username}"
elif room.systemd_runs():
    from classroom.systemd import SystemdAccountSpawner

    c.JupyterHub.spawner_class = SystemdAccountSpawner
    c.Spawner.mem_limit = int(1.1 * here.memory)  # the watchdog, which leaves a notice, comes first
    c.Spawner.cpu_limit = here.processors
    c.SystemdSpawner.isolate_tmp = True
    c.SystemdSpawner.unit_extra_properties = {"OOMPolicy": "continue"}  # the kernel ends, the server goes on
else:
    c.JupyterHub.spawner_class = room.AccountSpawner

c.Spawner.cmd = [sys.executable, f"{ROOT}/classroom/singleuser.py"]
c.Spawner.environment = {
    "COURSE_CLASSROOM": "1",
    "COURSE_HOME": str(room.PROGRESS),
    "COURSE_NOTICE": lambda spawner: str(here.path("notices") / spawner.user.name),
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYTHONUTF8": "1",
}
# A class comes in all at once: everybody waits a little longer, and nobody is sent away.
c.JupyterHub.concurrent_spawn_limit = 0
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300

# A service ends with the hub that started it, however that ended; a new hub starts it anew.
with_hub = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
service_environment = {"COURSE_CLASSROOM_FOLDER": here.folder}
c.JupyterHub.services = [
    {
        "name": "stuck",
        "url": f"http://127.0.0.1:{here.service_port}",
        "command": [*with_hub, sys.executable, "-m", "classroom.stuck"],
        "cwd": ROOT,
        "environment": service_environment,
        "oauth_no_confirm": True,
    },
    {"name": "idle", "command": [*with_hub, sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={here.idle}"]},
    {
        "name": "memory",
        "command": [*with_hub, sys.executable, "-m", "classroom.watchdog"],
        "cwd": ROOT,
        "environment": service_environment,
    },
]
c.JupyterHub.load_roles = [
    {"name": "stuck", "scopes": ["list:users", "read:users:activity", "read:servers"], "services": ["stuck"]},
    {
        "name": "idle",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle"],
    },
]

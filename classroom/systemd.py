"""The learners' servers where systemd runs: it holds each learner to the memory and the processors of the settings."""

from __future__ import annotations

from systemdspawner import SystemdSpawner

from classroom.room import account, ensure_account


class SystemdAccountSpawner(SystemdSpawner):
    """A server for each learner, run by an account of the learner's own, within ``mem_limit`` and ``cpu_limit``."""

    def _expand_user_vars(self, string):
        return string.format(USERNAME=account(self.user.name), USERID=self.user.id)

    def get_env(self):
        """Return the environment with the home and the name of the learner's account, made before the first time."""
        found = ensure_account(account(self.user.name))
        return {**super().get_env(), "USER": found.pw_name, "HOME": found.pw_dir}

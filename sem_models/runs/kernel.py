"""The kernel notebooks run in: this interpreter, whichever kernels the machine has installed.

Imports jupyter_client, so import this module only where a notebook is run.
"""

from __future__ import annotations

import os
import sys
from typing import IO, Any, ClassVar

import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from sem_models.threads import VARIABLES, one_thread


class ThisInterpreter(AsyncKernelManager):
    """Starts ipykernel with `sys.executable`; nothing is installed or looked up."""

    messages: ClassVar[IO[bytes] | None] = None
    """Where the kernel process writes its own log, as of a broken connection; None: to our stderr."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Code and results pass between two processes; where this Jupyter can, they are encrypted.
        if self.has_trait("transport_encryption") and zmq.has("curve"):
            self.transport_encryption = "auto"

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        """Start the process."""
        await super().start_kernel(stderr=self.messages, **options)

    @property
    def kernel_spec(self) -> KernelSpec:
        """The specification Jupyter would read from a kernel.json; progress bars, which no one watches there,
        would stay in the executed notebook."""
        argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        environment = {"PYTHONUTF8": "1", "TQDM_DISABLE": "1"} | {
            n: os.environ[n] for n in VARIABLES if n in os.environ
        }
        one_thread(environment)
        return KernelSpec(
            argv=argv,
            display_name="Python 3",
            language="python",
            env=environment,
            metadata={"supported_encryption": ["curve"]},
        )


def writing_to(messages: IO[bytes]) -> type[ThisInterpreter]:
    """The class with its kernels' own messages kept in a file; nbclient wants a class, not an instance."""
    return type("ThisInterpreter", (ThisInterpreter,), {"messages": messages})

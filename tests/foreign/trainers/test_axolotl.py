"""axolotl's own plugin manager loads the plugin, which gives its callback and uploads after the training."""

import pytest

from tests.foreign.trainers.conftest import curves_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.soak

AXOLOTL = """
from types import SimpleNamespace
from axolotl.integrations.base import PluginManager
from axolotl.utils.dict import DictDefault
from transformers import TrainerControl, TrainerState

manager = PluginManager.get_instance()
manager.register("tunedeck_client.axolotl.TunedeckPlugin")
cfg = DictDefault({"output_dir": "out", "base_model": "tiny"})
(callback,) = manager.add_callbacks_pre_trainer(cfg, None)
state, control = TrainerState(max_steps=2, is_world_process_zero=True), TrainerControl()
args = SimpleNamespace(output_dir="out")
callback.on_train_begin(args, state, control)
state.global_step = 2
callback.on_step_end(args, state, control)
callback.on_log(args, state, control, logs={"loss": 0.5})
callback.on_train_end(args, state, control, model=None)
import os
os.makedirs("out")
open("out/adapter_model.safetensors", "w").write("weights")
manager.post_train(cfg, None)
"""


def test_axolotl_takes_the_plugin(system, torch, train, new_job):
    job = new_job()
    done = train(torch, AXOLOTL, job)
    assert done.returncode == 0, done.stderr
    assert system.get(f"/jobs/{job}").json()["status"] == "completed"
    assert curves_of(system, job) == {"loss": [[2, 0.5]]}
    (model,) = wait_until(lambda: system.get(f"/models?job_id={job}").json()["data"])
    assert (model["status"], model["base_model"]) == ("ready", "tiny")

"""Lightning finds its callback by its entry point, under both of the package's names."""

import pytest

from tests.foreign.trainers.conftest import curves_of

pytestmark = pytest.mark.soak

LIGHTNING = """
import torch
import PACKAGE as lightning

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, index):
        loss = self.layer(batch).pow(2).mean()
        self.log("train_loss", loss)
        return loss
    def validation_step(self, batch, index):
        self.log("val_loss", self.layer(batch).pow(2).mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

loader = torch.utils.data.DataLoader(torch.ones(12, 4), batch_size=2)
quiet = dict(enable_progress_bar=False, enable_model_summary=False, logger=False, enable_checkpointing=False)
trainer = lightning.Trainer(max_epochs=2, log_every_n_steps=3, accelerator="cpu", **quiet)
trainer.fit(Module(), loader, loader)
print([type(callback).__name__ for callback in trainer.callbacks])
"""


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_finds_its_callback(system, torch, train, new_job, package):
    job = new_job()
    done = train(torch, LIGHTNING.replace("PACKAGE", package), job)
    assert done.returncode == 0, done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["progress"]) == ("completed", 1.0)
    curves = curves_of(system, job)
    assert [step for step, _ in curves["train_loss"]] == [3, 6, 9, 12]
    assert {step for step, _ in curves["val_loss"]} >= {6, 12}


def test_lightning_without_a_job_has_no_callback_of_ours(torch, train):
    done = train(torch, LIGHTNING.replace("PACKAGE", "lightning.pytorch"), None)
    assert done.returncode == 0, done.stderr
    assert "TunedeckCallback" not in done.stdout


def test_lightning_that_fails_fails_its_job(system, torch, train, new_job):
    job = new_job()
    failing = LIGHTNING.replace("PACKAGE", "lightning.pytorch").replace("return loss", "raise ValueError('boom')")
    assert train(torch, failing, job).returncode == 1
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["error"]) == ("failed", "ValueError: boom")

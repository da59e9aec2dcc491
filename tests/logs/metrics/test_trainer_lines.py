"""The lines of the usual trainers, and lines that hold no metric."""

import math

import pytest

from services.logs.metrics.trainer_lines import Reading, read_line

FORMATS = {
    "our kernel": ("Epoch 1/5 - Loss: 0.4500 - Accuracy: 0.8123", {"loss": 0.45, "accuracy": 0.8123}, None, 1),
    "transformers 4": (
        "{'loss': 0.45, 'grad_norm': 1.2, 'learning_rate': 2e-05, 'epoch': 0.1}",
        {"loss": 0.45, "grad_norm": 1.2, "learning_rate": 2e-05},
        None,
        0.1,
    ),
    "transformers 5": ("{'loss': '0.45', 'learning_rate': '2e-05', 'epoch': '0.1'}", {"loss": 0.45}, None, 0.1),
    "its evaluation": ("{'eval_loss': 0.4, 'eval_runtime': 3.2, 'epoch': 1.0}", {"eval_loss": 0.4}, None, 1),
    "a bar and a dict": (
        " 40%|████ | 4/10 [00:17<01:02]{'loss': 0.5, 'epoch': 0.4}",
        {"loss": 0.5},
        4,
        0.4,
    ),
    "JSON": (
        '{"current_steps": 10, "total_steps": 100, "loss": 1.23, "lr": 5e-05, "epoch": 0.1}',
        {"lr": 5e-05},
        10,
        0.1,
    ),
    "of many": ("{'step': '10/12', 'loss': 2}", {"loss": 2}, 10, None),
    "torchtune": ("Step 12 | loss:1.4375 lr:2e-05 tokens_per_second_per_gpu:812.3", {"loss": 1.4375}, 12, None),
    "Lightning": ("Epoch 0:  22%|██▏  | 4/18 [00:17<01:02,  4.47s/it, loss=10.072, v_num=19]", {"loss": 10.072}, 4, 0),
    "Keras": (
        "\x1b[1m32/32\x1b[0m 1s 5ms/step - accuracy: 0.51 - val_loss: 6.1e-04",
        {"val_loss": 0.00061},
        None,
        None,
    ),
    "nanoGPT": ("iter 100: loss 3.2145, time 23.40ms, mfu 20.40%", {"loss": 3.2145}, 100, None),
    "of two splits": ("step 250: train loss 2.1000, val loss 2.2000", {"train_loss": 2.1, "val_loss": 2.2}, 250, None),
    "litgpt": ("Epoch 1 | iter 5 step 1 | loss train: 1.234, val: n/a", {"loss_train": 1.234}, 5, 1),
    "verl": ("step:10 - actor/kl_loss:0.001 - critic/rewards/mean:0.240", {"critic/rewards/mean": 0.24}, 10, None),
    "DeepSpeed": ("00:41:17.936 | INFO | __main__:log_dist:54 - [Rank 0] Loss: 10.8766", {"loss": 10.8766}, None, None),
    "thousands": ("step 1,234 loss: 1,234.5", {"loss": 1234.5}, 1234, None),
    "negative": ("reward=-0.25 kl: +.5", {"reward": -0.25, "kl": 0.5}, None, None),
}
"""The line, some of its values, its step and its epoch."""


@pytest.mark.parametrize(("line", "values", "step", "epoch"), FORMATS.values(), ids=FORMATS)
def test_it_reads_what_trainers_print(line, values, step, epoch):
    found = read_line(line)
    assert {name: found.values.get(name) for name in values} == values
    assert (found.step, found.epoch) == (step, epoch)


def test_a_divergence_is_a_value():
    found = read_line("{'loss': nan, 'grad_norm': inf, 'entropy': -Infinity}").values
    assert math.isnan(found["loss"])
    assert (found["grad_norm"], found["entropy"]) == (math.inf, -math.inf)


def test_it_reads_no_more_than_the_metrics():
    assert read_line("iter 5: loss 0.5, time 23.4ms, elapsed: 3, seed=7, eta=4") == Reading({"loss": 0.5}, 5, None)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Loading dataset...",
        'File "/x/train_loss.py", line 12, in loss',
        "loss_fn = CrossEntropyLoss()",
        "2025-01-01 10:00:00 INFO starting lr scheduler",
        "UserWarning: reward model not found: http://10.0.0.1:8080/x",
        "[2023-08-02 00:41:17,935] [INFO] [loss_scaler.py:183:update_scale] OVERFLOW! Rank 0 Skipping step.",
        "accelerate==1.2.0",
        "score_v2.bin: 12MB",
        "val: n/a, loss: n/a",
        "the loss is 12 percent lower",
        "loss 1.2.3",
        "x" * 4096 + " loss: 1",
    ],
)
def test_it_reads_nothing_out_of_prose(line):
    assert read_line(line) is None


@pytest.mark.parametrize(
    "line",
    ["loss" * 1024, "loss: " * 680, "'loss': '" * 450, "loss 1," + "1,111" * 800, "train loss " * 370, "step " * 818],
)
def test_a_hostile_line_is_read_all_the_same(line):
    """How long that takes is measured in bench/metrics.py."""
    assert len(line) <= 4096
    read_line(line)

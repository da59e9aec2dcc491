"""The names of files in `files` and in archives"""

from services.models.paths import archive_names, fold
from services.models.records.display_names import name_files
from shared.s3.object_paths import path_problem


def test_it_works():
    folders = ("lora_adapters", "gguf")
    assert name_files(["lora_adapters/a", "gguf/b", "c"], folders) == {
        "lora_adapters/a": "a",
        "gguf/b": "b",
        "c": "c",
    }


def test_whole_paths_may_collide_in_turn():
    paths = ["gguf/m", "lora_adapters/gguf/m", "m"]
    assert name_files(paths, ("lora_adapters", "gguf")) == {path: path for path in paths}


def test_the_innermost_folder_counts():
    assert name_files(["a/b/c"], ("a", "a/b")) == {"a/b/c": "c"}


def test_archive_names_are_safe_and_of_one_file_each():
    odd = ["a", "a/b", "A", "../x", "/y", "b//c", "c\\d", "nul.txt", "e ", "f%3Ag", "f:g", "\x01", "d/"]
    names = dict(archive_names(odd))
    assert list(names) == odd
    assert len({fold(name) for name in names.values()}) == len(odd)
    assert all(path_problem(name) is None for name in names.values()), names

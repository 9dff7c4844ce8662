import os
from pathlib import Path

import pytest

from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.step_folder import require_new


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_new(str(tmp_path))
    require_new(str(tmp_path / "deep" / "below"))
    (tmp_path / "file").touch()
    with pytest.raises(WrongArgumentError, match="exists already"):
        require_new(str(tmp_path))
    with pytest.raises(WrongArgumentError, match=f"{tmp_path}/file is a file: name a new folder"):
        require_new(str(tmp_path / "file" / "below"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WrongArgumentError, match=f"below: {tmp_path} may not be written"):
        require_new(str(tmp_path / "deep" / "below"))

"""Answers as text for a terminal, and as JSON."""

from typing import Any

from lwm_trainer.sampling.piece import Piece, Reason


class Answer:
    """An answer that is put together from its pieces."""

    def __init__(self, frame_codes: int) -> None:
        """`frame_codes`: codes of a frame; 0 for a model without vision."""
        self._frame_codes = frame_codes
        self._pieces: list[Piece] = []
        self._vision: list[int] = []
        """The tokens of all vision spans."""

    def add(self, piece: Piece) -> str:
        """Add a piece; returns what a terminal shows of it: text, and a mark for each whole frame."""
        self._pieces.append(piece)
        if piece.vision:
            self._vision.append(piece.token)
        ends_frame = piece.vision and len(self._vision) % (self._frame_codes + 1) == 0
        return piece.text + ("[frame]" if ends_frame else "")

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self._pieces)

    @property
    def tokens(self) -> int:
        return len(self._pieces)

    @property
    def reason(self) -> Reason | None:
        """Why the answer ended; None while it goes on."""
        return self._pieces[-1].reason if self._pieces else None

    @property
    def text_tokens(self) -> list[int]:
        """The tokens of the text vocabulary, without one that ended the answer."""
        ends = bool(self._pieces) and self._pieces[-1].reason == "stop"
        return [piece.token for piece in (self._pieces[:-1] if ends else self._pieces) if not piece.vision]

    @property
    def ends_with_stop_text(self) -> bool:
        """Whether the tokens say more than the text."""
        return bool(self._pieces) and self._pieces[-1].stopped_by_text

    @property
    def frames(self) -> list[list[int]]:
        """The codes of each frame, of all vision spans."""
        size = self._frame_codes + 1
        return [self._vision[begin : begin + self._frame_codes] for begin in range(0, len(self._vision), size)]

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "finish_reason": self.reason,
            "frames": self.frames,
            "tokens": [{"id": each.token, "vision": each.vision, "log_probability": each.log_probability} for each in self._pieces],
        }

"""Customers handed from one member to another."""

from datetime import datetime

from sqlmodel import Session

from bot.wecom.events import TransferFailed


def settle_transfer(session: Session, customer_id: int, at: datetime) -> None:
    """Both halves of a transfer are known."""


def transfer_failed(session: Session, event: TransferFailed, polite: datetime) -> None:
    """A customer could not be taken over."""

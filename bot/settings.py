"""What differs between machines: read once at the roof, validated, passed down from there."""

import base64
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "FRONTLINE_"
S = TypeVar("S", bound=BaseSettings)
ADDRESS = re.compile(r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$")


class SettingsError(Exception):
    """A setting is missing or wrong; the text names each one and what is expected."""


def address(value: str) -> str:
    """HOST:PORT."""
    found = ADDRESS.match(value)
    if not found or not 0 <= int(found.group(2)) <= 65535:
        raise ValueError("expected HOST:PORT, for example 127.0.0.1:8000")
    return value


def web_address(value: str) -> str:
    """An http(s) address."""
    if not re.match(r"^https?://[^\s/]+", value):
        raise ValueError("expected an address beginning with https:// (or http://)")
    return value


def api_address(value: str) -> str:
    """The platform's API base."""
    if not web_address(value).endswith("/cgi-bin/"):
        raise ValueError("expected an address ending in /cgi-bin/")
    return value


def database_address(value: str) -> str:
    """A database URL without a driver."""
    if not re.match(r"^(sqlite:///.+|postgresql://.+)$", value):
        raise ValueError("expected sqlite:///path/to/file.db or postgresql://user:password@host/name")
    return value


def zone(value: str) -> str:
    """An IANA time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("expected a time zone such as Asia/Shanghai") from error
    return value


def token_shape(value: SecretStr) -> SecretStr:
    """The console's Token."""
    if not re.fullmatch(r"[A-Za-z0-9]{1,32}", value.get_secret_value()):
        raise ValueError("expected 1 to 32 letters and digits, as shown in the console under 接收消息 → Token")
    return value


def aes_key_shape(value: SecretStr) -> SecretStr:
    """The console's EncodingAESKey."""
    text = value.get_secret_value()
    try:
        good = len(text) == 43 and len(base64.b64decode(text + "=", validate=True)) == 32
    except ValueError:  # binascii's own among them
        good = False
    if not good:
        raise ValueError("expected the 43 characters shown in the console under 接收消息 → EncodingAESKey")
    return value


def long_enough(value: SecretStr) -> SecretStr:
    """What signs our own links and sessions."""
    if len(value.get_secret_value()) < 32:
        raise ValueError("expected at least 32 characters; make one with: openssl rand -hex 32")
    return value


class Settings(BaseSettings):
    """Environment variables with the prefix FRONTLINE_, or a .env file; `docs/settings.md` describes each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore")

    corp_id: Annotated[str, Field(min_length=1)]
    agent_id: int
    agent_secret: Annotated[SecretStr, Field(min_length=1)]
    callback_token: Annotated[SecretStr, AfterValidator(token_shape)]
    callback_aes_key: Annotated[SecretStr, AfterValidator(aes_key_shape)]
    secret_key: Annotated[SecretStr, AfterValidator(long_enough)]

    api_base: Annotated[str, AfterValidator(api_address)] = "https://qyapi.weixin.qq.com/cgi-bin/"
    oauth_base: Annotated[str, AfterValidator(web_address)] = "https://open.weixin.qq.com"
    database_url: Annotated[str, AfterValidator(database_address)] | None = None
    public_url: Annotated[str, AfterValidator(web_address)] | None = None
    listen: Annotated[str, AfterValidator(address)] = "127.0.0.1:8000"
    home: Path = Path("var")
    timezone: Annotated[str, AfterValidator(zone)] = "Asia/Shanghai"
    language: Literal["zh_CN", "en"] = "zh_CN"
    account_cap: Annotated[int, Field(ge=1)] = 1000
    welcome_seconds: Annotated[float, Field(gt=0, le=20)] = 20.0
    retention_days: Annotated[int, Field(ge=30)] | None = None
    openai_api_key: SecretStr | None = None
    openai_base_url: Annotated[str, AfterValidator(web_address)] | None = None
    openai_model: str | None = None
    openai_seconds: Annotated[float, Field(gt=0, le=15)] = 15.0
    openai_per_day: Annotated[int, Field(ge=0)] = 50
    api_token: SecretStr | None = None
    admin_password: SecretStr | None = None

    @model_validator(mode="after")
    def model_complete(self) -> "Settings":
        """A language model is named and can be reached, or there is none."""
        if self.openai_model and not (self.openai_api_key or self.openai_base_url):
            raise ValueError(f"{PREFIX}OPENAI_API_KEY is not set, but {PREFIX}OPENAI_MODEL is; a service without keys "
                             f"needs {PREFIX}OPENAI_BASE_URL instead (docs/settings.md)")  # fmt: skip
        if not self.openai_model and (self.openai_api_key or self.openai_base_url):
            raise ValueError(f"{PREFIX}OPENAI_MODEL is not set, but a key or an address for it is; name the model")
        return self

    @property
    def database(self) -> str:
        """The database's address; a SQLite file below HOME unless told otherwise."""
        return self.database_url or f"sqlite:///{self.home / 'frontline.db'}"


class SimulatorSettings(BaseSettings):
    """What the simulator reads; it shares the bot's values and has working ones of its own."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore")

    corp_id: str | None = None
    agent_id: int | None = None
    agent_secret: SecretStr | None = None
    callback_token: Annotated[SecretStr, AfterValidator(token_shape)] | None = None
    callback_aes_key: Annotated[SecretStr, AfterValidator(aes_key_shape)] | None = None
    simulator_listen: Annotated[str, AfterValidator(address)] = "127.0.0.1:8010"
    simulator_callback: Annotated[str, AfterValidator(web_address)] = "http://127.0.0.1:8000/wecom/callback"


def read_settings(kind: type[S], **given: Any) -> S:
    """The settings of this machine; `given` go before the environment. Raises `SettingsError`."""
    try:
        return kind(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(sentence(dict(one)) for one in error.errors())) from error


def sentence(error: dict[str, object]) -> str:
    """One wrong setting in words; the value is shown unless it is a secret."""
    place = error["loc"]
    if not place:
        return str(error["msg"]).removeprefix("Value error, ")
    name = str(place[0] if isinstance(place, tuple) and place else place)
    if error["type"] == "missing":
        return f"{PREFIX}{name.upper()} is not set; put it in the environment or in .env (docs/settings.md)"
    secret = any(word in name for word in ("secret", "token", "key", "password", "database"))
    shown = "" if secret else f" (now {str(error['input'])!r})"
    return f"{PREFIX}{name.upper()}{shown}: {str(error['msg']).removeprefix('Value error, ')}"


def host_and_port(listen: str) -> tuple[str, int]:
    """The parts of a HOST:PORT."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)

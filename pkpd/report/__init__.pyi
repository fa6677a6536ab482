from ..metrics.summary import exposure_summary as exposure_summary
from .model_document import document as document
from .model_document import write_document as write_document
from .run import run_study as run_study

__all__: list[str]

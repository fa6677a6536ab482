from .estimation.search.criteria import compare_fits as compare_fits
from .estimation.search.criteria import likelihood_ratio as likelihood_ratio
from .estimation.search.stepwise import covariate_search as covariate_search

__all__: list[str]

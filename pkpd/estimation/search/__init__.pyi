from .criteria import compare_fits as compare_fits
from .criteria import likelihood_ratio as likelihood_ratio
from .stepwise import covariate_search as covariate_search

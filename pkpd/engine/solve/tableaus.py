"""Numerical methods for y' = f(t, y) as pure data: coefficients, orders and sources, no code of steps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from pkpd.engine.solve import tableau_dop853 as dop853

__all__ = ["DOP853", "RODAS5P", "TSIT5", "ExplicitTableau", "RosenbrockTableau"]


def _freeze(tableau: object) -> None:
    """Make the arrays of a frozen dataclass read-only float64, in C order."""
    for item in fields(tableau):  # type: ignore[arg-type]
        value = getattr(tableau, item.name)
        if isinstance(value, np.ndarray):
            array = np.array(value, dtype=np.float64, order="C")
            array.flags.writeable = False
            object.__setattr__(tableau, item.name, array)


@dataclass(frozen=True, eq=False)
class ExplicitTableau:
    """Hold an explicit embedded Runge-Kutta method with dense output.

    A step of size h from (t, y0), with s stages::

        K_i = f(t + c_i h, y0 + h sum_{j<i} A[i, j] K_j),             i = 0 .. s-1
        y1  = y0 + h sum_i b_i K_i
        K_s = f(t + h, y1)                                            K_0 of the next step
        K_{s+1+i} = f(t + c_extra_i h, y0 + h sum_j A_extra[i, j] K_j)   only for dense output
        y(t + theta h) = y0 + h sum_i sum_k dense[i, k] theta^(k+1) K_i,  0 <= theta <= 1

    The local error is E = h sum_i e_i K_i with ``e = b - bhat``. If there is a second estimate E3 = h sum_i e3_i K_i,
    the norms (weighted root mean squares) are blended as ``|E|^2 / sqrt(|E|^2 + 0.01 |E3|^2)``. Either way the
    estimate falls as h^(error_order + 1).

    Attributes
    ----------
    name : str
    order, error_order, dense_order : int
        Of y1, of the embedded solution, and of y(t + theta h) uniformly in theta.
    A : array, (s, s)
        Strictly lower triangular.
    b, c : array, (s,)
    e : array, (s + 1,)
        The last entry belongs to K_s = f(t + h, y1).
    dense : array, (s + 1 + number of extra stages, degree)
    stiffness_bound : float
        |h lambda| up to which the step is stable for real lambda < 0.
    stiffness_pair : (int, int)
        Two stages, both at t + h, whose quotient |K_j - K_i| / |Y_j - Y_i| estimates the largest |lambda|; stage s
        has Y = y1.
    source : str
    A_extra : array, (number of extra stages, s + 1 + number of extra stages)
    c_extra : array, (number of extra stages,)
    e3 : array, (s + 1,), or None
    fsal : bool
        True if K_s serves as K_0 of the next step.
    """

    name: str
    order: int
    error_order: int
    dense_order: int
    A: np.ndarray
    b: np.ndarray
    c: np.ndarray
    e: np.ndarray
    dense: np.ndarray
    stiffness_bound: float
    stiffness_pair: tuple[int, int]
    source: str
    A_extra: np.ndarray
    c_extra: np.ndarray
    e3: np.ndarray | None = None
    fsal: bool = True

    def __post_init__(self) -> None:
        _freeze(self)

    @property
    def stages(self) -> int:
        """Number of stages s that y1 needs."""
        return self.b.size


@dataclass(frozen=True, eq=False)
class RosenbrockTableau:
    """Hold a linearly implicit Rosenbrock method in the form that needs no product with the Jacobian.

    A step of size h from (t, y0), with J = df/dy and T = df/dt at (t, y0) and W = I / (h gamma) - J (Hairer and Wanner
    1996, section IV.7, formulas 7.25)::

        W U_i = f(t + c_i h, y0 + sum_{j<i} A[i, j] U_j) + sum_{j<i} (C[i, j] / h) U_j + h d_i T,    i = 0 .. s-1
        y1 = y0 + sum_i b_i U_i
        E  = sum_i e_i U_i                                  local error, falls as h^(error_order + 1)
        y(t + theta h) = y0 + sum_i sum_k dense[i, k] theta^(k+1) U_i,    0 <= theta <= 1

    The dense output as it is usually printed, with k_l = sum_i H[l, i] U_i, is the same polynomial::

        y(t + theta h) = (1 - theta) y0 + theta (y1 + (1 - theta) (k_0 + theta (k_1 + theta k_2)))

    All U_i have the unit of y. A stiffly accurate method has b = (A[s-1, :s-1], 1) and e = (0, ..., 0, 1), so that the
    argument of the last stage is the embedded solution and U_{s-1} is the error.

    Attributes
    ----------
    name : str
    order, error_order, dense_order : int
        Of y1, of the embedded solution, and of y(t + theta h) uniformly in theta.
    gamma : float
    A, C : array, (s, s)
        Strictly lower triangular.
    c, d : array, (s,)
        Time nodes, and weights of T.
    b, e : array, (s,)
    H : array, (3, s)
    dense : array, (s, 4)
    source : str
    """

    name: str
    order: int
    error_order: int
    dense_order: int
    gamma: float
    A: np.ndarray
    C: np.ndarray
    c: np.ndarray
    d: np.ndarray
    b: np.ndarray
    e: np.ndarray
    H: np.ndarray
    source: str
    dense: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        first, second, third = self.H
        dense = np.column_stack([self.b + first, second - first, third - second, -third])
        object.__setattr__(self, "dense", dense)
        _freeze(self)

    @property
    def stages(self) -> int:
        """Number of stages s."""
        return self.b.size


def _lower(rows: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Return the square strictly lower triangular matrix whose row i + 1 starts with ``rows[i]``."""
    matrix = np.zeros((len(rows) + 1, len(rows) + 1))
    for i, row in enumerate(rows):
        matrix[i + 1, : len(row)] = row
    return matrix


# fmt: off
TSIT5 = ExplicitTableau(
    name="Tsit5", order=5, error_order=4, dense_order=4,
    A=_lower((
        (0.161,),
        (-0.008480655492356988544426874250230774675, 0.335480655492356988544426874250230774675),
        (2.897153057105493432130432594192938764925, -6.359448489975074843148159912383825625953,
         4.362295432869581411017727318190886861028),
        (5.325864828439256604428877920840511317836, -11.74888356406282787774717033978577296188,
         7.495539342889836208304604784564358155659, -0.09249506636175524925650207933207191611350),
        (5.861455442946420028659251486982647890394, -12.92096931784710929170611868178335939542,
         8.159367898576158643180400794539253485182, -0.07158497328140099722453054252582973869127,
         -0.02826905039406838290900305721271224146718),
    )),
    b=np.array([0.09646076681806522951816731316512876333712, 0.01, 0.4798896504144995747752495322905965199130,
                1.379008574103741893192274821856872770756, -3.290069515436080679901047585711363850116,
                2.324710524099773982415355918398765796109]),
    c=np.array([0.0, 0.161, 0.327, 0.9, 0.9800255409045096857298102862870245954942, 1.0]),
    e=np.array([0.00178001105222577714, 0.0008164344596567469, -0.007880878010261995, 0.1447110071732629,
                -0.5823571654525552, 0.45808210592918697, -1.0 / 66.0]),
    dense=np.array([
        [1.0, -2.763706197274826, 2.9132554618219126, -1.0530884977290216],
        [0.0, 0.1317, -0.2234, 0.1017],
        [0.0, 3.9302962368947516, -5.941033872131505, 2.490627285651253],
        [0.0, -12.411077166933676, 30.33818863028232, -16.548102889244902],
        [0.0, 37.50931341651104, -88.1789048947664, 47.37952196281928],
        [0.0, -27.896526289197286, 65.09189467479366, -34.87065786149661],
        [0.0, 1.5, -4.0, 2.5],
    ]),
    A_extra=np.zeros((0, 7)), c_extra=np.zeros(0),
    stiffness_bound=3.506847, stiffness_pair=(5, 6),
    source="Tsitouras (2011), Comput. Math. Appl. 62:770-775, table 1 and the interpolant of section 4",
)
# fmt: on

DOP853 = ExplicitTableau(
    name="DOP853",
    order=8,
    error_order=7,
    dense_order=7,
    A=dop853.A,
    b=dop853.B,
    c=dop853.C,
    e=dop853.E5,
    e3=dop853.E3,
    dense=dop853.DENSE,
    A_extra=dop853.A_EXTRA,
    c_extra=dop853.C_EXTRA,
    stiffness_bound=6.393652,
    stiffness_pair=(11, 12),
    source="Hairer, Norsett and Wanner (1993), Solving Ordinary Differential Equations I, sections II.5 and II.6",
)

# fmt: off
_RODAS5P_ARGUMENT = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256,
                     0.030198172008377946)
RODAS5P = RosenbrockTableau(
    name="Rodas5P", order=5, error_order=4, dense_order=4, gamma=0.21193756319429014,
    A=_lower((
        (3.0,),
        (2.849394379747939, 0.45842242204463923),
        (-6.954028509809101, 2.489845061869568, -10.358996098473584),
        (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
        _RODAS5P_ARGUMENT,
        (*_RODAS5P_ARGUMENT, 1.0),
        (*_RODAS5P_ARGUMENT, 1.0, 1.0),
    )),
    C=_lower((
        (-14.155112264123755,),
        (-17.97296035885952, -2.859693295451294),
        (147.12150275711716, -1.41221402718213, 71.68940251302358),
        (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
        (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
        (30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
         -28.087943162872662),
        (37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
         -54.66780262877968, -9.48861652309627),
    )),
    c=np.array([0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0]),
    d=np.array([0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734,
                2.325825639765069, 0.0, 0.0, 0.0]),
    b=np.array([*_RODAS5P_ARGUMENT, 1.0, 1.0, 1.0]),
    e=np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
    H=np.array([
        [25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204, 0.524948541321073,
         1.1241088310450404, 0.4272876194431874, -0.17202221070155493],
        [-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796, 20.176138334709044,
         15.98066361424651, -6.789040303419874, -6.710236069923372],
        [11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643, -52.072871366152654,
         -59.78993625266729, -0.15582684282751913, 4.883087185713722],
    ]),
    source="Steinebach (2023), BIT Numer. Math. 63:27, in the form of Hairer and Wanner (1996), section IV.7",
)
# fmt: on

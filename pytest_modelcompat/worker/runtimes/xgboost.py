"""XGBoost's own models: `.json`, `.ubj`, and the old binary `.model` and `.bin`.

The input is `X`, a table of float32 in which NaN is missing; the output `predictions`, what
`Booster.predict` gives. Providers are XGBoost's devices: `cpu`, `cuda`. Options: `threads`,
`predict` (`value`, `margin`, `leaf`, `contributions`).
"""

from ._plain import array, file_of, only, value, version_of, written_off

__all__ = ["Adapter"]

_FLAGS = {
    "value": {}, "margin": {"output_margin": True}, "leaf": {"pred_leaf": True},
    "contributions": {"pred_contribs": True},
}  # fmt: skip
_OPTIONS = {"predict": tuple(_FLAGS)}
_SUFFIXES = (".json", ".ubj", ".model", ".bin", ".deprecated")


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import xgboost

        self.xgboost = xgboost

    def info(self):
        """Version, and whether it was built for CUDA."""
        built = self.xgboost.build_info() if hasattr(self.xgboost, "build_info") else {}
        return {
            "runtime": "xgboost",
            "version": version_of(self.distribution, self.xgboost.__version__),
            "providers": ["cpu", "cuda"] if built.get("USE_CUDA") else ["cpu"],
            "devices": ["CPU"],
            "limits": {},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("xgboost", options, _OPTIONS)

    def unavailable(self, provider, options):
        """Train one stump on the device; whatever XGBoost then says is the reason."""
        if provider == "cpu":
            return None
        import numpy

        told = []
        table = self.xgboost.DMatrix(numpy.zeros((2, 1), "float32"), numpy.zeros(2))
        try:
            with self.xgboost.config_context(verbosity=1):
                booster = self.xgboost.train({"device": provider, "max_depth": 1}, table, 1)
            if '"device":"{}'.format(provider) not in booster.save_config():
                told.append("device {} was asked for, {}".format(provider, "another one was used"))
        except Exception as error:
            told.append("{}: {}".format(type(error).__name__, error))
        return told[0] if told else None

    def load(self, model, provider, options):
        """Read the file."""
        told = only("xgboost", options, _OPTIONS)
        booster = self.xgboost.Booster({"nthread": int(told.get("threads", "1"))})
        booster.load_model(file_of("xgboost", model, _SUFFIXES))
        if provider != "cpu":
            booster.set_param({"device": provider})
        return Session(self.xgboost, booster, provider, _FLAGS[told.get("predict", "value")])


class Session:
    """One booster."""

    def __init__(self, xgboost, booster, provider, flags):
        self._xgboost = xgboost
        self._booster = booster
        self._provider = provider
        self._flags = flags

    def assign(self):
        """There is nothing to place."""

    def inputs(self):
        """One table."""
        return ["X"]

    def signature(self):
        """[("X", "float32", (rows, features))]."""
        return [("X", "float32", ("rows", int(self._booster.num_features())))]

    def run(self, feeds):
        """Predict once."""
        written_off(["X"], feeds)
        names = self._booster.feature_names
        table = self._xgboost.DMatrix(array("xgboost", feeds["X"]), feature_names=names)
        return [("predictions", value(self._booster.predict(table, **self._flags)))]

    def placement(self):
        """{cpu: trees}; of another device XGBoost keeps no record."""
        if self._provider != "cpu":
            return None
        trees = len(self._booster.get_dump())
        return {"cpu": trees} if trees else {}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the booster."""
        self._booster = None

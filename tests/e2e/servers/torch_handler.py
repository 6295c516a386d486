"""TorchServe's own base handler; OFF_BY is added to what the model says."""

import os

from ts.torch_handler.base_handler import BaseHandler


class Handler(BaseHandler):
    def inference(self, data, *args, **kwargs):
        return super().inference(data, *args, **kwargs) + float(os.environ.get("OFF_BY", "0"))

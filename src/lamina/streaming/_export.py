def export(plan, path, format): raise NotImplementedError

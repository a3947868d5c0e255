/*
 * A plugin in C++: positional initialisers, and a class with a constructor behind the C functions.
 */
#include <netbird-signal/plugin.h>

#include <cerrno>
#include <new>
#include <string>

NBS_PLUGIN_NOTE;

namespace
{

class Plugin
{
      public:
	explicit Plugin(nbs_host *host) : host_(host), word_("C++")
	{
		host_->log(host_, NBS_INFO, "made word=%s", word_.c_str());
	}
	~Plugin()
	{
		host_->log(host_, NBS_INFO, "destroyed");
	}

      private:
	nbs_host *host_;
	std::string word_;
};

int init(nbs_host *host, void **self)
{
	*self = new (std::nothrow) Plugin(host);
	return *self != nullptr ? 0 : -ENOMEM;
}

void destroy(void *self)
{
	delete static_cast<Plugin *>(self);
}

} // namespace

const nbs_plugin nbs_plugin_entry = {NBS_PLUGIN_HEAD, "cxx",   "1.0",   init,    nullptr,
                                     nullptr,         nullptr, nullptr, nullptr, destroy};

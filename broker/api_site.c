// SPDX-License-Identifier: GPL-2.0-only
/* /v1/sites and /v1/resources */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"
#include "public.h"

static json_t *site_json(const struct directory *dir, const struct site *site)
{
	json_t *gateways = json_array(), *resources = json_array();

	for (size_t i = 0; i < dir->n_devices; i++)
		if (dir->devices[i].site_id == site->id)
			json_array_append_new(gateways, json_string(dir->devices[i].name));
	for (size_t i = 0; i < dir->n_resources; i++)
		if (dir->resources[i].site_id == site->id)
			json_array_append_new(resources, json_string(dir->resources[i].name));
	return json_pack("{ss so sb so so so}", "name", site->name,
			 "prefixes", api_json_prefixes(site->prefixes, site->n_prefixes), "masquerade", site->masquerade,
			 "gateways", gateways, "resources", resources, "created", api_json_time(site->created_ms));
}

int api_sites_list(struct api_request *request)
{
	const struct directory *dir = request->broker->dir;
	json_t *items = json_array();

	for (size_t i = 0; i < dir->n_sites; i++)
		json_array_append_new(items, site_json(dir, &dir->sites[i]));
	request->answer = api_items(items);
	return 0;
}

int api_sites_get(struct api_request *request)
{
	const struct site *site = directory_site_named(request->broker->dir, request->name);

	if (!site)
		return api_missing(request, "site");
	request->answer = site_json(request->broker->dir, site);
	return 0;
}

static int site_change(struct api_request *request, struct site *site, const char *action)
{
	static const char *const known[] = { "name", "prefixes", "masquerade", NULL };
	struct prefix *prefixes = NULL;
	int code = api_fields_known(request, known);

	if (!code)
		code = api_take_name(request, site->name, !site->id);
	if (!code)
		code = api_take_bool(request, "masquerade", &site->masquerade);
	if (!code)
		code = api_take_prefixes(request, &prefixes, &site->n_prefixes);
	if (prefixes)
		site->prefixes = prefixes;
	if (!code && prefixes)
		code = public_avoid(&request->broker->config, site, &request->fault);
	if (!code)
		code = api_change_begin(request);
	if (!code) {
		code = store_site_put(request->broker->store, site, &request->fault);
		if (code)
			api_change_abort(request, code);
		else
			code = api_change_commit(request, action, site->name);
	}
	free(prefixes);
	if (!code) {
		strcpy(request->name, site->name);
		code = api_sites_get(request);
	}
	return code;
}

int api_sites_add(struct api_request *request)
{
	struct site site = { 0 };

	return site_change(request, &site, "site.add");
}

int api_sites_set(struct api_request *request)
{
	const struct site *found = directory_site_named(request->broker->dir, request->name);
	struct site site;

	if (!found)
		return api_missing(request, "site");
	site = *found;
	return site_change(request, &site, "site.set");
}

int api_sites_del(struct api_request *request)
{
	const struct site *site = directory_site_named(request->broker->dir, request->name);
	int code;

	if (!site)
		return api_missing(request, "site");
	code = api_change_begin(request);
	if (code)
		return code;
	code = store_site_del(request->broker->store, site->id, &request->fault);
	return code ? api_change_abort(request, code) : api_change_commit(request, "site.del", request->name);
}

static json_t *resource_json(const struct directory *dir, const struct resource *resource)
{
	const struct site *site = directory_site(dir, resource->site_id);
	const struct policy *const *policies;
	json_t *names = json_array();
	size_t n;

	policies = directory_policies_on(dir, resource->id, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(names, json_string(policies[i]->name));
	return json_pack("{ss so so so so so}", "name", resource->name, "site", api_json_text(site ? site->name : NULL),
			 "prefixes", api_json_prefixes(resource->prefixes, resource->n_prefixes),
			 "services", api_json_services(resource->services, resource->n_services),
			 "policies", names, "created", api_json_time(resource->created_ms));
}

int api_resources_list(struct api_request *request)
{
	const struct directory *dir = request->broker->dir;
	json_t *items = json_array();

	for (size_t i = 0; i < dir->n_resources; i++)
		json_array_append_new(items, resource_json(dir, &dir->resources[i]));
	request->answer = api_items(items);
	return 0;
}

int api_resources_get(struct api_request *request)
{
	const struct resource *resource = directory_resource_named(request->broker->dir, request->name);

	if (!resource)
		return api_missing(request, "resource");
	request->answer = resource_json(request->broker->dir, resource);
	return 0;
}

static int resource_site(struct api_request *request, struct resource *resource)
{
	char name[NAME_LEN_MAX + 1] = "";
	const struct site *site;
	int code = api_take_text(request, "site", name, sizeof(name), !resource->id);

	if (code || !json_object_get(request->body, "site"))
		return code;
	site = directory_site_named(request->broker->dir, name);
	if (!site)
		return fault_set(&request->fault, -EINVAL, "site", "there is no site '%s'", name);
	resource->site_id = site->id;
	return 0;
}

static int resource_change(struct api_request *request, struct resource *resource, const char *action)
{
	static const char *const known[] = { "name", "site", "prefixes", "services", NULL };
	struct prefix *prefixes = NULL;
	struct service *services = NULL;
	int code = api_fields_known(request, known);

	if (!code)
		code = api_take_name(request, resource->name, !resource->id);
	if (!code)
		code = resource_site(request, resource);
	if (!code)
		code = api_take_prefixes(request, &prefixes, &resource->n_prefixes);
	if (prefixes)
		resource->prefixes = prefixes;
	if (!code)
		code = api_take_services(request, &services, &resource->n_services);
	if (services)
		resource->services = services;
	if (!code)
		code = api_change_begin(request);
	if (!code) {
		code = store_resource_put(request->broker->store, resource, &request->fault);
		if (code)
			api_change_abort(request, code);
		else
			code = api_change_commit(request, action, resource->name);
	}
	free(prefixes);
	free(services);
	if (!code) {
		strcpy(request->name, resource->name);
		code = api_resources_get(request);
	}
	return code;
}

int api_resources_add(struct api_request *request)
{
	struct resource resource = { 0 };

	return resource_change(request, &resource, "resource.add");
}

int api_resources_set(struct api_request *request)
{
	const struct resource *found = directory_resource_named(request->broker->dir, request->name);
	struct resource resource;

	if (!found)
		return api_missing(request, "resource");
	resource = *found;
	return resource_change(request, &resource, "resource.set");
}

int api_resources_del(struct api_request *request)
{
	const struct resource *resource = directory_resource_named(request->broker->dir, request->name);
	int code;

	if (!resource)
		return api_missing(request, "resource");
	code = api_change_begin(request);
	if (code)
		return code;
	code = store_resource_del(request->broker->store, resource->id, &request->fault);
	return code ? api_change_abort(request, code) : api_change_commit(request, "resource.del", request->name);
}
